"""What both stores promise: SQL and memory can be exchanged, and no caller sees a difference."""

import asyncio

import pytest

from services.products.domain import Cursor, Listing, Product, Sort, etag_of
from services.products.store import SqlCatalogue
from workbook_lib.kit.errors import Conflict, NotFound, PreconditionFailed
from workbook_lib.kit.preconditions import Preconditions

ANY = Preconditions()
SKUS = {
    *("keyboard", "mouse", "monitor-27", "usb-c-cable", "webcam", "headset", "laptop-stand"),
    *("desk-lamp", "standing-desk"),
}


def product(sku: str, **content) -> Product:
    return Product(sku=sku, **{"name": "A thing", "category": "input", "price_cents": 100, **content})


async def _walk(catalogue, listing: Listing, between=None) -> list[Product]:
    """Every page of a list, each read in a unit of work of its own; `between` runs after each page."""
    seen: list[Product] = []
    while True:
        async with catalogue.open(read_only=True) as store:
            found = await store.page(listing)
        seen += found[: listing.limit]
        if len(found) <= listing.limit:
            return seen
        last = found[listing.limit - 1]
        cursor = Cursor(listing.sort, *listing.sort.key(last)).encode()
        listing = listing.model_copy(update={"cursor": cursor})
        if between:
            await between(len(seen))


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("limit", [1, 2, 9, 100])
async def test_a_walk_shows_every_product_once_and_in_order(catalogue, sort, limit):
    walked = await _walk(catalogue, Listing(sort=sort, limit=limit))
    assert {each.sku for each in walked} == SKUS
    assert walked == sorted(walked, key=sort.key, reverse=sort.descending)
    assert len(walked) == len(SKUS)


@pytest.mark.parametrize("sort", [Sort.PRICE, Sort.PRICE_DOWN])
async def test_products_of_one_price_are_told_apart_by_their_sku(catalogue, sort):
    async with catalogue.open() as store:
        for number in range(7):
            await store.add(product(f"same-{number}"))
    walked = await _walk(catalogue, Listing(sort=sort, limit=3))
    assert len({each.sku for each in walked}) == len(walked) == len(SKUS) + 7


async def test_what_is_inserted_or_deleted_during_a_walk_hides_and_doubles_nothing(catalogue):
    """A page by number (OFFSET) would show one product twice here, and skip another."""

    async def meddle(seen: int) -> None:
        async with catalogue.open() as store:
            await store.add(product(f"aaa-{seen}"))
            if seen == 4:
                await store.delete("aaa-2", ANY)

    walked = [each.sku for each in await _walk(catalogue, Listing(limit=2), between=meddle)]
    assert [sku for sku in walked if sku in SKUS] == sorted(SKUS)
    assert len(set(walked)) == len(walked)


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        (Listing(category="furniture"), {"desk-lamp", "laptop-stand", "standing-desk"}),
        (Listing(category="nothing"), set()),
        (Listing(min_price_cents=8990), {"keyboard", "monitor-27", "standing-desk"}),
        (Listing(max_price_cents=3450), {"mouse", "usb-c-cable"}),
        (Listing(category="furniture", min_price_cents=4000, max_price_cents=5000), {"laptop-stand"}),
    ],
)
async def test_a_list_can_be_narrowed(catalogue, listing, expected):
    assert {each.sku for each in await _walk(catalogue, listing)} == expected


async def test_a_product_is_added_read_replaced_and_deleted(catalogue):
    async with catalogue.open() as store:
        await store.add(product("lamp"))
        assert await store.put(product("lamp", price_cents=5), ANY) is False
        assert await store.put(product("shade"), ANY) is True
    async with catalogue.open(read_only=True) as store:
        assert (await store.get("lamp")).price_cents == 5
    async with catalogue.open() as store:
        await store.delete("lamp", ANY)
    async with catalogue.open() as store:
        with pytest.raises(NotFound):
            await store.get("lamp")
        with pytest.raises(NotFound):
            await store.delete("lamp", ANY)


async def test_a_sku_is_taken_once(catalogue):
    with pytest.raises(Conflict):
        async with catalogue.open() as store:
            await store.add(product("mouse"))
    async with catalogue.open() as store:
        assert (await store.get("mouse")).price_cents == 3450


@pytest.mark.parametrize("what", ["put", "delete"])
async def test_a_write_on_a_state_that_is_gone_is_refused_and_changes_nothing(catalogue, what):
    async with catalogue.open() as store:
        seen = etag_of(await store.get("mouse"))
        await store.put(product("mouse", price_cents=1), ANY)
    late = Preconditions(if_match=seen)
    with pytest.raises(PreconditionFailed):
        async with catalogue.open() as store:
            await (store.put(product("mouse"), late) if what == "put" else store.delete("mouse", late))
    async with catalogue.open() as store:
        assert (await store.get("mouse")).price_cents == 1


async def test_of_twenty_who_change_what_all_have_seen_one_succeeds(catalogue):
    async with catalogue.open() as store:
        seen = Preconditions(if_match=etag_of(await store.get("mouse")))

    async def change(number: int) -> bool:
        try:
            async with catalogue.open() as store:
                await store.put(product("mouse", price_cents=number), seen)
        except PreconditionFailed:
            return False
        return True

    assert sum(await asyncio.gather(*map(change, range(20)))) == 1


async def test_what_raises_is_undone(catalogue):
    async def add_and_fail() -> None:
        async with catalogue.open() as store:
            await store.add(product("lamp"))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        await add_and_fail()
    async with catalogue.open(read_only=True) as store:
        with pytest.raises(NotFound):
            await store.get("lamp")


async def test_the_seed_fills_only_an_empty_catalogue(catalogue):
    async with catalogue.open() as store:
        await store.delete("mouse", ANY)
    await catalogue.start()
    async with catalogue.open(read_only=True) as store:
        assert "mouse" not in {each.sku for each in await store.page(Listing())}


async def test_a_catalogue_without_a_seed_is_empty(database):
    catalogue = SqlCatalogue(database)
    await catalogue.start()
    async with catalogue.open(read_only=True) as store:
        assert await store.page(Listing()) == []
