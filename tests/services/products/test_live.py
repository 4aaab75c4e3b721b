"""The products over the wire, as another team's client sees them: against the contract that this team holds.

PRODUCTS_URL is the address of a running service; without it, one is started. PRODUCTS_CONTRACT is a file with
the OpenAPI document that the client was built on; without it, the service's own of today is taken.
"""

import json
import os
import sys
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

# jsonschema asks for it and can do without: its import builds the grammars of IRIs, which takes seconds.
sys.modules.setdefault("rfc3987_syntax", None)
from jsonschema import Draft202012Validator  # noqa: E402

LAMP = {"sku": "live-lamp", "name": "Lamp", "category": "furniture", "price_cents": 4200, "currency": "EUR"}
LAMP_PATH = f"/products/{LAMP['sku']}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory):
    """The address of a running products service."""
    if known := os.environ.get("PRODUCTS_URL"):
        yield known
        return
    from workbook_lib.lab import Lab  # not needed for a service that runs already

    async with Lab("products-live", root=tmp_path_factory.mktemp("live")) as lab:
        await lab.start("products")
        yield lab["products"].url


@pytest.fixture(scope="module")
def client(url):
    with httpx2.Client(base_url=url, timeout=10) as client:
        yield client


@pytest.fixture(scope="module")
def contract(client):
    if known := os.environ.get("PRODUCTS_CONTRACT"):
        return json.loads(Path(known).read_text())
    return client.get("/openapi.json").json()


@pytest.fixture
def products(client):
    """A client that removes what its test has written: a running service's data is nobody's to rely on."""
    yield client
    client.delete(LAMP_PATH)


@pytest.fixture
def lamp(products):
    """A product of the test's own, as it was created."""
    return products.post("/products", json=LAMP)


def violations(contract, method: str, path: str, answer: httpx2.Response) -> list[str]:
    """Where an answer isn't what the contract says of its operation: status, type, each wrong value."""
    documented = contract["paths"][path][method]["responses"]
    status = str(answer.status_code)
    said = documented.get(status) or documented.get(f"{status[0]}XX")
    if said is None:
        return [f"{status} isn't documented; {', '.join(documented)} are"]
    content = said.get("content", {})
    if not content:
        return [] if not answer.content else [f"{status} has a body, and should have none"]
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if kind not in content:
        return [f"{kind} instead of {', '.join(content)}"]
    schema = content[kind]["schema"] | {"components": contract["components"]}
    errors = Draft202012Validator(schema).iter_errors(answer.json())
    return [f"{error.json_path}: {error.message}" for error in errors]


def assert_kept(contract, method: str, path: str, answer: httpx2.Response) -> None:
    found = violations(contract, method, path, answer)
    assert not found, "; ".join(found[:3])


@pytest.mark.parametrize(
    ("path", "address", "status"),
    [
        ("/products", "/products", 200),
        ("/products", "/products?limit=0", 400),
        ("/products/{sku}", LAMP_PATH, 200),
        ("/products/{sku}", "/products/no-such-thing", 404),
    ],
)
@pytest.mark.usefixtures("lamp")
def test_what_is_read_is_what_the_contract_says(products, contract, path, address, status):
    answer = products.get(address)
    assert answer.status_code == status
    assert_kept(contract, "get", path, answer)


def test_what_is_written_comes_back_as_the_contract_says(products, contract, lamp):
    replaced = products.put(LAMP_PATH, json={name: LAMP[name] for name in LAMP if name != "sku"})
    deleted = products.delete(LAMP_PATH)
    assert [answer.status_code for answer in (lamp, replaced, deleted)] == [201, 200, 204]
    assert_kept(contract, "post", "/products", lamp)
    assert_kept(contract, "put", "/products/{sku}", replaced)
    assert_kept(contract, "delete", "/products/{sku}", deleted)


def test_a_reader_who_has_it_already_gets_no_body(products, contract, lamp):
    again = products.get(LAMP_PATH, headers={"If-None-Match": lamp.headers["etag"]})
    assert again.status_code == 304
    assert_kept(contract, "get", "/products/{sku}", again)


def test_an_answer_that_breaks_a_contract_is_told():
    price = {"type": "object", "properties": {"cents": {"type": "integer"}}, "required": ["cents"]}
    answers = {
        "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Price"}}}},
        "304": {"description": "no body"},
    }
    contract = {
        "paths": {"/price": {"get": {"responses": answers}}},
        "components": {"schemas": {"Price": price}},
    }

    def told(status, **content):
        return violations(contract, "get", "/price", httpx2.Response(status, **content))

    assert told(200, json={"cents": 4200}) == []
    assert told(200, json={"cents": "42.00"}) == ["$.cents: '42.00' is not of type 'integer'"]
    assert told(200, json={}) == ["$: 'cents' is a required property"]
    assert told(200, text="hello") == ["text/plain instead of application/json"]
    assert told(304) == []
    assert told(304, text="hello") == ["304 has a body, and should have none"]
    assert told(418) == ["418 isn't documented; 200, 304 are"]
