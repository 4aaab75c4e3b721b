"""A service's document says what the service does, errors included, and its page needs no internet."""

import re
from typing import Annotated, Any
from urllib.parse import urljoin

import pytest
from fastapi import APIRouter, Form
from pydantic import BaseModel, Field

from workbook_lib.kit.errors import Conflict
from workbook_lib.kit.service import Service, error_answers, openapi
from workbook_lib.kit.settings import ServiceSettings


class Item(BaseModel):
    sku: str
    quantity: int = Field(ge=1)


@pytest.fixture
def service() -> Service:
    service = Service(ServiceSettings(service="demo", port=9000), title="Demo", version="2.1.0")
    items = APIRouter(prefix="/items", tags=["shelf"])

    @items.get("")
    async def everything() -> list[Item]:
        return []

    @items.get("/found/by")
    async def find(sku: str | None = None, quantity: int | str | None = None) -> list[Item]:
        return []

    @items.get("/{sku}")
    async def one(sku: str) -> Item:
        return Item(sku=sku, quantity=1)

    @items.post("", status_code=201, responses=error_answers(Conflict))
    async def add(item: Item) -> Item:
        return item

    @items.post("/form", status_code=201)
    async def add_form(item: Annotated[Item, Form()]) -> Item:
        return item

    service.app.include_router(items)
    service.app.include_router(items, prefix="/v2")
    return service


@pytest.fixture
def document(service) -> dict[str, Any]:
    return service.app.openapi()


@pytest.fixture
async def client(service, calling):
    async with calling(service) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("get", "/items", {"200", "5XX"}),
        ("get", "/items/{sku}", {"200", "400", "404", "5XX"}),
        ("post", "/items", {"201", "400", "409", "413", "415", "5XX"}),
        ("get", "/health", {"200", "503", "5XX"}),
    ],
)
def test_an_operation_lists_the_errors_that_it_can_answer(document, method, path, statuses):
    assert document["paths"][path][method]["responses"].keys() == statuses


def test_every_listed_error_has_the_one_body_and_fastapis_own_is_gone(document):
    answers = [
        answer
        for operations in document["paths"].values()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if status.startswith(("4", "5")) and status != "503"
    ]
    assert {answer["content"]["application/json"]["schema"]["$ref"] for answer in answers} == {
        "#/components/schemas/ErrorBody"
    }
    schemas = document["components"]["schemas"]
    assert {"code", "message", "timestamp", "traceId"} == set(schemas["ErrorBody"]["required"])
    assert not {"HTTPValidationError", "ValidationError"} & schemas.keys()


def test_an_operations_id_is_made_of_method_and_path_and_is_its_alone(document):
    ids = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert "get_v2_items_sku" in ids
    assert len(set(ids)) == len(ids)


def test_the_document_has_version_tags_and_a_server_relative_to_itself(document):
    assert (document["openapi"][:3], document["info"]["version"]) == ("3.1", "2.1.0")
    assert document["paths"]["/items"]["get"]["tags"] == ["shelf"]
    assert document["paths"]["/health"]["get"]["tags"] == ["health"]
    (server,) = document["servers"]
    assert urljoin("https://example.com/proxy/9000/openapi.json", server["url"]).endswith("/proxy/9000/")


def test_a_parameter_that_may_be_left_out_can_not_be_null(document):
    schemas = [each["schema"] for each in document["paths"]["/items/found/by"]["get"]["parameters"]]
    assert [(each.get("type"), "null" in str(each)) for each in schemas] == [("string", False), (None, False)]


def test_a_route_added_later_is_described_too(service, document):
    @service.app.get("/later")
    async def later() -> str:
        return "late"

    assert "5XX" in service.app.openapi()["paths"]["/later"]["get"]["responses"]
    assert service.app.openapi() is service.app.openapi()


@pytest.mark.parametrize(
    ("path", "content_type", "expected"),
    [
        ("/items", "text/plain", "application/json"),
        ("/items", "application/x-www-form-urlencoded", "application/json"),
        ("/items", None, "application/json"),
        ("/items/form", "application/json", "application/x-www-form-urlencoded"),
    ],
)
async def test_a_body_of_another_kind_is_a_415_that_names_the_kind_that_is_read(
    client, path, content_type, expected
):
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await client.post(path, content=b'{"sku": "A1", "quantity": 1}', headers=headers)
    assert (answer.status_code, answer.json()["code"], answer.headers["accept"]) == (415, 41501, expected)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/items", "application/json; charset=utf-8"),
        ("/items", "application/merge-patch+json"),
        ("/items/form", "multipart/form-data; boundary=x"),
    ],
)
async def test_a_wrong_body_of_the_right_kind_stays_a_400(client, path, content_type):
    answer = await client.post(path, content=b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == 400


async def test_no_body_at_all_is_a_missing_one_and_not_one_of_a_wrong_kind(client):
    answer = await client.post("/items")
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "body")


async def test_a_405_lists_every_method_of_the_path(client):
    """RFC 9110, 10.2.1: also where each method is a route of its own."""
    answer = await client.delete("/v2/items")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_a_405_of_a_plain_path_lists_nothing_of_the_template_that_covers_it_too(client):
    assert (await client.delete("/items/form")).headers["allow"] == "POST"


async def test_each_file_that_the_page_names_is_served_here(client):
    page = await client.get("/docs")
    named = re.findall(r'(?:href|src)="([^"]+)"', page.text) + re.findall(r"url: '([^']+)'", page.text)
    assert page.headers["content-type"].startswith("text/html")
    assert len(named) == 4
    for address in named:
        answer = await client.get(urljoin("/docs", address))
        assert (answer.status_code, len(answer.content) > 500) == (200, True), address


async def test_the_page_works_behind_any_prefix_because_its_addresses_are_relative(client):
    page = (await client.get("/docs")).text
    named = re.findall(r'(?:href|src)="([^"]+)"', page) + re.findall(r"url: '([^']+)'", page)
    behind = [urljoin("https://hub.example/user/ada/proxy/9000/docs", address) for address in named]
    assert all(address.startswith("https://hub.example/user/ada/proxy/9000/") for address in behind)


async def test_the_swagger_ui_that_is_served_knows_openapi_3_1(client):
    script = (await client.get("/docs/swagger-ui-bundle.js")).text
    (version,) = set(re.findall(r'PACKAGE_VERSION:"(\d+)\.', script))
    assert int(version) >= 5


@pytest.mark.parametrize("name", ["redoc.standalone.js", "..%2F__init__.py", "nothing.js"])
async def test_only_the_pages_own_files_are_served(client, name):
    assert (await client.get(f"/docs/{name}")).status_code == 404


async def test_without_the_package_the_page_says_so_and_the_service_works(client, monkeypatch):
    monkeypatch.setattr(openapi, "_ASSETS_PACKAGE", "no_such_package")
    answer = await client.get("/docs")
    assert (answer.status_code, answer.json()["code"]) == (404, 40401)
    assert "/openapi.json" in answer.json()["message"]
    assert (await client.get("/openapi.json")).status_code == 200
