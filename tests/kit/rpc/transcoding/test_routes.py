"""REST calls become RPCs by the annotations of the .proto alone, and what comes back becomes JSON."""

import json

import pytest
from fastapi.testclient import TestClient
from google.protobuf.json_format import MessageToDict

from tests.kit.rpc.transcoding.conftest import compile_service
from workbook_lib.kit.rpc.transcoding import transcoded_routes
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings


@pytest.fixture
def client(books, echo):
    service = Service(ServiceSettings(), title="Shelf")
    service.app.include_router(transcoded_routes(books, echo))
    return TestClient(service.app)


def asked(echo):
    rpc, message = echo.asked[-1]
    return rpc, MessageToDict(message, preserving_proto_field_name=True)


def test_a_variable_of_the_path_fills_its_field(client, echo):
    assert client.get("/v1/shelves/7/books/9").status_code == 200
    assert asked(echo) == ("Get", {"name": "shelves/7/books/9"})


def test_a_body_field_takes_the_body_and_the_query_what_is_left(client, echo):
    client.post("/v1/shelves/7/books?dryRun=true", json={"title": "Emma", "author": {"name": "Austen"}})
    book = {"title": "Emma", "author": {"name": "Austen"}}
    assert asked(echo) == ("Create", {"shelf": "7", "book": book, "dry_run": True})


def test_a_star_body_takes_every_field_but_the_path_wins(client, echo):
    answer = client.put("/v1/books/9", json={"id": "8", "pages": 474, "isbn": "9780141439587"})
    assert asked(echo) == ("Replace", {"id": "9", "pages": 474, "isbn": "9780141439587"})
    assert answer.json()["isbn"] == "9780141439587", "64-bit integers are strings in ProtoJSON"
    assert answer.json()["title"] == "", "a field that isn't set is written with its default"


def test_an_additional_binding_leads_to_the_same_method(client, echo):
    client.patch("/v1/books/9", json={"pages": 1})
    assert asked(echo) == ("Replace", {"id": "9", "pages": 1})


def test_query_parameters_fill_repeated_nested_enum_and_boolean_fields(client, echo):
    client.get("/v1/books:find?tags=a&tags=b&author.name=Austen&in_print=false&cover=COVER_HARD&limit=5")
    expected = {"tags": ["a", "b"], "author": {"name": "Austen"}, "cover": "COVER_HARD", "limit": 5}
    assert asked(echo) == ("Find", expected)


def test_a_custom_verb_and_a_variable_over_slashes(client, echo):
    client.request("PURGE", "/v1/books/a/b/c")
    assert asked(echo) == ("Purge", {"name": "books/a/b/c"})


def test_a_method_without_annotation_is_not_served(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert "Internal" not in json.dumps(paths)


@pytest.mark.parametrize(
    ("method", "url", "body", "field"),
    [
        ("PUT", "/v1/books/9", b"{", "body"),
        ("PUT", "/v1/books/9", b"[1]", "body"),
        ("PUT", "/v1/books/9", b"[" * 100_000, "body"),
        ("PUT", "/v1/books/9", b'{"author":' * 5_000 + b"1" + b"}" * 5_000, None),
        ("PUT", "/v1/books/9", b'{"pages": "many"}', "pages"),
        ("PUT", "/v1/books/9", b'{"pages": 3000000000}', "pages"),
        ("PUT", "/v1/books/9", b'{"pages": 1e400}', "pages"),
        ("PUT", "/v1/books/9", b'{"title": "\\ud800"}', "title"),
        ("PUT", "/v1/books/9", b'{"title": "\xff"}', "body"),
        ("PUT", "/v1/books/9", b'{"colour": "red"}', "colour"),
        ("PUT", "/v1/books/9?pages=3", b"{}", "pages"),
        ("PUT", "/v1/books/9", b"", "body"),
        ("GET", "/v1/books:find?limit=-1", b"", "limit"),
        ("GET", "/v1/books:find?in_print=perhaps", b"", "inPrint"),
        ("GET", "/v1/books:find?colour=red", b"", "colour"),
        ("GET", "/v1/books:find?author=Austen", b"", "author"),
        ("GET", "/v1/books:find?author.name.first=Jane", b"", "author.name.first"),
        ("GET", "/v1/books:find", b"{}", "body"),
        ("POST", "/v1/shelves/7/books?book.title=Emma", b"{}", "book.title"),
    ],
)
def test_what_does_not_fit_the_message_is_refused_naming_the_field(client, echo, method, url, body, field):
    answer = client.request(method, url, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, 40001)
    (problem,) = answer.json()["details"]
    assert field in (None, problem["field"])
    assert echo.asked == []


def test_an_error_of_the_rpc_is_answered_with_its_own_code(client, echo, missing):
    echo.error = missing
    answer = client.get("/v1/shelves/7/books/9")
    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (
        404,
        40401,
        "no such book",
    )


def test_the_wrong_verb_and_an_unknown_path_stay_405_and_404(client):
    assert client.delete("/v1/books/9").json()["code"] == 40501
    assert client.get("/v1/nothing").json()["code"] == 40401


def test_the_openapi_document_says_what_is_served(client):
    paths = client.get("/openapi.json").json()["paths"]
    create = paths["/v1/shelves/{shelf}/books"]["post"]
    assert [(p["name"], p["in"]) for p in create["parameters"]] == [("shelf", "path"), ("dryRun", "query")]
    book = create["requestBody"]["content"]["application/json"]["schema"]
    assert book["properties"]["cover"]["enum"] == ["COVER_UNSPECIFIED", "COVER_HARD"]
    assert book["properties"]["author"]["properties"]["born"]["type"] == "integer"
    replace = paths["/v1/books/{id}"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert "id" not in replace["properties"], "the path has it"
    assert paths["/v1/books/{id}"]["patch"]["summary"] == "Replace"
    answers = paths["/v1/books:find"]["get"]["responses"]
    assert {"200", "400", "4XX", "5XX"} <= answers.keys()
    find = {p["name"]: p["schema"] for p in paths["/v1/books:find"]["get"]["parameters"]}
    assert find["tags"] == {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize(
    ("rpc", "problem"),
    [
        ('rpc A(stream M) returns (M) { option (google.api.http) = {get: "/a"}; }', "a stream"),
        ('rpc A(M) returns (stream M) { option (google.api.http) = {get: "/a"}; }', "a stream"),
        ('rpc A(M) returns (M) { option (google.api.http) = {get: "/{nope}"}; }', "no field nope"),
        ('rpc A(M) returns (M) { option (google.api.http) = {get: "/{id.x}"}; }', "has no fields"),
        ('rpc A(M) returns (M) { option (google.api.http) = {post: "/a" body: "nope"}; }', "no field nope"),
        (
            'rpc A(M) returns (M) { option (google.api.http) = {get: "/a" response_body: "id"}; }',
            "response_body",
        ),
        ('rpc A(M) returns (M) { option (google.api.http) = {get: "a"}; }', "starts with /"),
        ('rpc A(M) returns (M) { option (google.api.http) = {body: "*"}; }', "no HTTP method"),
    ],
)
def test_an_annotation_that_can_not_be_served_is_refused_by_name(tmp_path, echo, rpc, problem):
    head = 'syntax = "proto3"; import "google/api/annotations.proto"; message M { string id = 1; }'
    text = f"{head} service S {{ {rpc} }}"
    with pytest.raises(ValueError, match=f"S.A: .*{problem}"):
        transcoded_routes(compile_service(tmp_path, text, "S"), echo)
