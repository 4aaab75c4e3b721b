"""The whole of REST on one resource, on a real database; where it matters, on both stores."""

import asyncio
import re
from urllib.parse import urljoin

import pytest

from services.products.app import build
from services.products.memory import MemoryCatalogue
from services.products.settings import ProductsSettings
from services.products.units import UnitsOfWork, writing
from workbook_lib.kit.errors import Unavailable

LAMP = {"name": "Lamp", "category": "furniture", "price_cents": 4200}
PATCH = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
def settings(database_url):
    return ProductsSettings(database_url=database_url)


@pytest.fixture
async def products(running, settings):
    async with running(build(settings)) as client:
        yield client


async def test_a_products_life_from_creation_to_deletion(products):
    created = await products.post("/products", json={"sku": "lamp", **LAMP})
    place = created.headers["location"]
    assert (created.status_code, place) == (201, "/products/lamp")
    assert created.json() == {"sku": "lamp", "currency": "EUR", **LAMP}

    read = await products.get(place)
    assert (read.status_code, read.json()) == (200, created.json())
    assert read.headers["etag"] == created.headers["etag"]

    replaced = await products.put(place, json={**LAMP, "price_cents": 3900})
    assert (replaced.status_code, replaced.json()["price_cents"]) == (200, 3900)
    assert replaced.headers["etag"] != created.headers["etag"]

    assert [(await products.delete(place)).status_code for _ in range(2)] == [204, 404]
    assert (await products.get(place)).json()["code"] == 40401


async def test_a_taken_sku_is_a_409(products):
    answer = await products.post("/products", json={"sku": "mouse", **LAMP})
    assert (answer.status_code, answer.json()["code"]) == (409, 40901)


async def test_put_creates_once_and_then_replaces_and_repeating_it_changes_nothing(products):
    """RFC 9110, 9.3.4: 201 when it created; and PUT is idempotent."""
    answers = [await products.put("/products/lamp", json=LAMP) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert "location" in answers[0].headers
    assert len({answer.headers["etag"] for answer in answers}) == 1


async def test_put_replaces_all_and_patch_only_what_it_names(products):
    await products.put("/products/lamp", json={**LAMP, "currency": "CHF"})
    patched = await products.patch("/products/lamp", json={"price_cents": 1}, headers=PATCH)
    assert (patched.json()["currency"], patched.json()["price_cents"]) == ("CHF", 1)
    replaced = await products.put("/products/lamp", json=LAMP)
    assert replaced.json()["currency"] == "EUR"


async def test_nothing_can_be_patched_where_nothing_is(products):
    assert (await products.patch("/products/lamp", json={}, headers=PATCH)).status_code == 404


async def test_a_patch_in_plain_json_is_a_415_that_names_what_is_read(products):
    answer = await products.patch("/products/mouse", json={"price_cents": 1})
    assert (answer.status_code, answer.headers["accept-patch"]) == (415, PATCH["Content-Type"])


async def test_a_reader_that_has_the_present_state_gets_304_and_no_body(products):
    etag = (await products.get("/products/mouse")).headers["etag"]
    again = await products.get("/products/mouse", headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    await products.patch("/products/mouse", json={"price_cents": 1}, headers=PATCH)
    changed = await products.get("/products/mouse", headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json()["price_cents"]) == (200, 1)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_a_write_on_what_another_has_changed_meanwhile_is_a_412_and_changes_nothing(products, method):
    seen = (await products.get("/products/mouse")).headers["etag"]
    await products.put("/products/mouse", json=LAMP)
    body = {"PUT": {**LAMP, "name": "Late"}, "PATCH": {"name": "Late"}, "DELETE": None}[method]
    late = await products.request(
        method,
        "/products/mouse",
        json=body,
        headers={"If-Match": seen, **(PATCH if method == "PATCH" else {})},
    )
    assert (late.status_code, late.json()["code"]) == (412, 41201)
    assert (await products.get("/products/mouse")).json()["name"] == "Lamp"


async def test_two_writers_at_once_who_saw_the_same_lose_no_update(products):
    """Each repeats from the present state when refused, so both changes are in the end result."""

    all_have_read = asyncio.Barrier(4)

    async def raise_price(cents: int) -> int:
        for attempt in range(1, 20):
            read = await products.get("/products/mouse")
            if attempt == 1:
                await all_have_read.wait()
            content = {name: read.json()[name] for name in ("name", "category", "currency")}
            written = await products.put(
                "/products/mouse",
                json={**content, "price_cents": read.json()["price_cents"] + cents},
                headers={"If-Match": read.headers["etag"]},
            )
            if written.status_code == 200:
                return attempt
            assert written.status_code == 412
        raise AssertionError("refused twenty times")

    attempts = await asyncio.gather(*(raise_price(10**power) for power in range(4)))
    assert (await products.get("/products/mouse")).json()["price_cents"] == 3450 + 1111
    assert max(attempts) > 1, "they never met, so nothing was proved"


async def test_put_with_a_star_creates_and_never_replaces(products):
    headers = {"If-None-Match": "*"}
    statuses = [
        (await products.put(f"/products/{sku}", json=LAMP, headers=headers)).status_code
        for sku in ("lamp", "mouse")
    ]
    assert statuses == [201, 412]


async def test_the_next_page_is_a_link_relative_to_this_one(products):
    """RFC 8288; relative, so it holds behind a gateway and behind a proxy's prefix."""
    page = await products.get(
        "/products", params={"limit": 4, "sort": "-price_cents", "category": "furniture"}
    )
    assert page.json()["next"] is None
    assert "link" not in page.headers
    seen, address = [], "http://service/products?limit=4&sort=-price_cents"
    while address:
        page = await products.get(address)
        seen += [product["price_cents"] for product in page.json()["products"]]
        link = re.fullmatch(r'<(.+)>; rel="next"', page.headers.get("link", ""))
        address = urljoin(address, link[1]) if link else ""
    assert len(seen) == 9
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"sort": "colour"}, "sort"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"min_price_cents": "cheap"}, "min_price_cents"),
        ({"limt": 5}, "limt"),
    ],
)
async def test_a_list_that_can_not_be_had_names_the_wrong_parameter(products, params, field):
    answer = await products.get("/products", params=params)
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, field)


async def test_other_methods_are_a_405_that_lists_those_there_are(products):
    answers = {
        path: await products.request("POST" if path.count("/") > 1 else "DELETE", path)
        for path in ("/products", "/products/mouse")
    }
    assert {answer.status_code for answer in answers.values()} == {405}
    assert answers["/products"].headers["allow"] == "GET, POST"
    assert answers["/products/mouse"].headers["allow"] == "DELETE, GET, PATCH, PUT"


@pytest.mark.parametrize("store", ["sql", "memory"])
async def test_the_store_is_chosen_in_one_place_and_the_routes_are_the_same(running, settings, store):
    service = build(settings.model_copy(update={"store": store}))
    async with running(service) as products:
        assert (await products.put("/products/lamp", json=LAMP)).status_code == 201
        assert len((await products.get("/products")).json()["products"]) == 10
        refused = await products.put("/products/lamp", json=LAMP, headers={"If-Match": '"old"'})
        assert refused.status_code == 412


async def test_each_request_has_one_store_of_its_own_closed_at_its_end_however_it_ends(products):
    async def counted() -> tuple[float, float]:
        text = (await products.get("/metrics")).text
        return tuple(
            float(re.search(rf"^products_units_{name} (\S+)$", text, re.MULTILINE)[1])
            for name in ("opened_total", "open")
        )

    before, _ = await counted()
    await asyncio.gather(
        *(products.get("/products/mouse") for _ in range(10)),
        *(products.get("/products/unicorn") for _ in range(10)),
        *(products.put("/products/mouse", json=LAMP) for _ in range(10)),
        *(products.put("/products/mouse", json=LAMP, headers={"If-Match": '"no"'}) for _ in range(10)),
    )
    assert await counted() == (before + 40, 0)


class Failing(MemoryCatalogue):
    """A catalogue whose commit fails."""

    def open(self, *, read_only=False):
        unit = super().open(read_only=read_only)

        class Unit:
            async def __aenter__(self):
                return await unit.__aenter__()

            async def __aexit__(self, *raised):
                await unit.__aexit__(*raised)
                if not read_only:
                    raise Unavailable("the disk is full")

        return Unit()


async def test_a_commit_that_fails_is_never_told_as_a_success(running, settings):
    """The unit of work ends before the answer begins; FastAPI's own scope would end it after."""
    async with running(build(settings, Failing())) as products:
        answer = await products.put("/products/lamp", json=LAMP)
    assert (answer.status_code, answer.json()["code"]) == (503, 50301)


async def test_a_dependency_can_be_overridden_for_a_test_alone(running, settings):
    service = build(settings)
    other = MemoryCatalogue()
    units = UnitsOfWork(other, type(service.metrics)().registry)

    async def in_memory():
        async with units.one(read_only=False) as store:
            yield store

    service.app.dependency_overrides[writing] = in_memory
    async with running(service) as products:
        assert (await products.put("/products/lamp", json=LAMP)).status_code == 201
        assert (await products.get("/products/lamp")).status_code == 404
    async with other.open() as store:
        assert (await store.get("lamp")).name == "Lamp"
