"""Products in two versions, named by path or by Accept, before a real product service."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

import pytest

from services.gateway.versions import V1, V2, negotiated
from workbook_lib.kit.errors import NotAcceptable

LAMP_V1 = {"sku": "lamp", "name": "Lamp", "category": "furniture", "price_cents": 4200}
LAMP_V2 = {
    "sku": "lamp",
    "name": "Lamp",
    "category": "furniture",
    "price": {"amount_cents": 4200, "currency": "CHF"},
}
CONTENT_V1 = {name: value for name, value in LAMP_V1.items() if name != "sku"}
CONTENT_V2 = {name: value for name, value in LAMP_V2.items() if name != "sku"}


@pytest.mark.parametrize(
    ("version", "product", "content"), [("v1", LAMP_V1, CONTENT_V1), ("v2", LAMP_V2, CONTENT_V2)]
)
async def test_a_products_whole_life_in_either_version(edge, version, product, content):
    created = await edge.post(f"/api/{version}/products", json=product)
    place = created.headers["location"]
    assert (created.status_code, place, created.json()) == (201, f"/api/{version}/products/lamp", product)
    assert (await edge.post(f"/api/{version}/products", json=product)).status_code == 409
    read = await edge.get(place)
    assert (read.json(), read.headers["etag"]) == (product, created.headers["etag"])
    replaced = await edge.put(place, json=content | {"name": "Lamp, green"})
    assert (replaced.status_code, replaced.json()["name"]) == (200, "Lamp, green")
    late = await edge.put(place, json=content, headers={"If-Match": read.headers["etag"]})
    assert (late.status_code, late.json()["code"]) == (412, 41201)
    assert [(await edge.delete(place)).status_code for _ in range(2)] == [204, 404]


async def test_what_version_1_does_not_know_survives_its_writing(edge):
    await edge.put("/api/v2/products/lamp", json=CONTENT_V2)
    written = await edge.put("/api/v1/products/lamp", json=CONTENT_V1 | {"price_cents": 1})
    assert written.status_code == 200
    assert (await edge.get("/api/v2/products/lamp")).json()["price"] == {"amount_cents": 1, "currency": "CHF"}


async def test_put_creates_in_version_2_only(edge):
    assert (await edge.put("/api/v1/products/lamp", json=CONTENT_V1)).status_code == 404
    created = await edge.put("/api/v2/products/lamp", json=CONTENT_V2, headers={"If-None-Match": "*"})
    assert (created.status_code, created.headers["location"]) == (201, "/api/v2/products/lamp")


@pytest.mark.parametrize("path", ["/api/v1/products", "/api/v1/products/mouse"])
async def test_version_1_tells_that_and_when_it_ends(edge, path):
    """RFC 9745: a structured date; RFC 8594: an HTTP date, not before the deprecation."""
    headers = (await edge.get(path)).headers
    deprecated = datetime.fromtimestamp(int(re.fullmatch(r"@(\d+)", headers["deprecation"])[1]), UTC)
    assert deprecated == V1.deprecated
    assert parsedate_to_datetime(headers["sunset"]) == V1.sunset > deprecated
    assert '</api/v2/products>; rel="successor-version"' in headers["link"]
    assert not {"deprecation", "sunset"} & (await edge.get(path.replace("v1", "v2"))).headers.keys()


@pytest.mark.parametrize(
    ("accept", "content_type", "priced_by"),
    [
        (None, "application/json", "price_cents"),
        ("application/vnd.workbook.v1+json", "application/vnd.workbook.v1+json", "price_cents"),
        ("application/vnd.workbook.v2+json", "application/vnd.workbook.v2+json", "price"),
        ("application/vnd.workbook.v9+json, application/json;q=0.1", "application/json", "price_cents"),
    ],
)
@pytest.mark.parametrize("path", ["/api/products", "/api/products/mouse"])
async def test_accept_names_the_version_at_one_address(edge, path, accept, content_type, priced_by):
    answer = await edge.get(path, headers={"Accept": accept} if accept else {})
    product = answer.json()["products"][0] if path == "/api/products" else answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    assert priced_by in product
    assert "Accept" in answer.headers["vary"].split(", ")
    assert ("deprecation" in answer.headers) is (priced_by == "price_cents")


async def test_the_forms_at_one_address_have_tags_of_their_own(edge):
    """RFC 9110, 8.8.3: a strong tag is of one form; a cache that took one for the other would mix them."""
    v1, v2 = [
        await edge.get("/api/products/mouse", headers={"Accept": version.media_type}) for version in (V1, V2)
    ]
    assert v1.headers["etag"] != v2.headers["etag"]
    for seen, status in ((v2, 304), (v1, 200)):
        again = await edge.get(
            "/api/products/mouse",
            headers={"Accept": V2.media_type, "If-None-Match": seen.headers["etag"]},
        )
        assert again.status_code == status


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/api/v9/products", "/api/v10/products/mouse", "/api/v0/other"])
async def test_an_unknown_version_in_the_path_is_a_404_that_names_those_there_are(edge, method, path):
    answer = await edge.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (404, 40401)
    assert answer.json()["details"] == {"versions": ["v1", "v2"]}


async def test_an_unknown_version_in_accept_is_a_406_that_names_those_there_are(edge):
    answer = await edge.get("/api/products", headers={"Accept": "application/vnd.workbook.v9+json"})
    assert (answer.status_code, answer.json()["code"]) == (406, 40601)
    assert V2.media_type in answer.json()["details"]["acceptable"]
    assert "Accept" in answer.headers["vary"].split(", ")


async def test_a_known_version_keeps_its_405(edge):
    answer = await edge.delete("/api/v1/products")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("base", ["/api/v1/products", "/api/v2/products", "/api/products"])
async def test_pages_link_on_within_their_own_version(edge, base):
    seen, address = [], f"http://service{base}?limit=4"
    while address:
        page = await edge.get(address)
        seen += [product["sku"] for product in page.json()["products"]]
        link = re.search(r'<([^>]+)>; rel="next"', page.headers.get("link", ""))
        address = urljoin(address, link[1]) if link else ""
        assert address == "" or address.startswith(f"http://service{base}?")
    assert len(seen) == len(set(seen)) == 9


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*;q=0.5", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        (f"{V1.media_type};q=0.3, {V2.media_type};q=0.7", V2.media_type),
        (f"{V2.media_type};q=0.3, */*;q=0.7", "application/json"),
        (f"application/json;q=0, {V2.media_type};q=0, */*", V1.media_type),
        (f"{V2.media_type.upper()} ; q=1.0", V2.media_type),
        (f"{V2.media_type};q=much, {V1.media_type};q=0.1", V1.media_type),
    ],
)
def test_the_most_specific_range_decides_and_then_the_highest_weight(accept, media_type):
    """RFC 9110, 12.5.1 and 12.4.2."""
    assert negotiated(accept).media_type == media_type


@pytest.mark.parametrize("accept", ["text/html", "*/*;q=0", f"{V2.media_type};q=0"])
def test_what_is_not_wanted_is_not_sent(accept):
    with pytest.raises(NotAcceptable):
        negotiated(accept)
