"""What a product may be, and what a cursor is."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.products.domain import Content, Cursor, Listing, Patch, Product, Sort, etag_of, patched
from services.products.store import read_seed
from workbook_lib.kit.errors import InvalidRequest

DATA = Path(__file__).parents[3] / "data"
MOUSE = Product(sku="mouse", name="Wireless mouse", category="input", price_cents=3450, currency="CHF")


def test_the_seed_has_the_inventorys_articles_with_their_names_and_prices():
    stock = json.loads((DATA / "stock.json").read_text())
    products = read_seed(DATA / "products.json")
    assert {(p.sku, p.name, p.price_cents) for p in products} == {
        (item["sku"], item["name"], item["unit_price_cents"]) for item in stock
    }


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x00b", "\x7f", "x" * 101, "\ud800"])
def test_a_name_is_one_line_of_text_that_any_database_can_store(name):
    with pytest.raises(ValidationError):
        Content(name=name, category="input", price_cents=1)


@pytest.mark.parametrize("price", [-1, 1_000_000_001, 2**63, 1.5, "12"])
def test_a_price_is_a_whole_number_of_cents_within_bounds(price):
    with pytest.raises(ValidationError):
        Content.model_validate_json(json.dumps({"name": "a", "category": "input", "price_cents": price}))


def test_a_misspelt_field_is_told_and_not_ignored():
    with pytest.raises(ValidationError, match="curency"):
        Content.model_validate({"name": "a", "category": "b", "price_cents": 1, "curency": "CHF"})


def test_a_patch_sets_what_it_names_and_null_goes_back_to_the_default():
    patch = Patch.model_validate({"price_cents": 1, "currency": None})
    assert patched(MOUSE, patch) == MOUSE.model_copy(update={"price_cents": 1, "currency": "EUR"})
    assert patched(MOUSE, Patch()) == MOUSE


@pytest.mark.parametrize("field", ["name", "category", "price_cents"])
def test_a_patch_can_not_remove_what_a_product_must_have(field):
    with pytest.raises(ValidationError):
        Patch.model_validate({field: None})


def test_a_tag_tells_two_contents_apart_and_is_the_same_for_the_same():
    assert etag_of(MOUSE) == etag_of(MOUSE.model_copy())
    tags = {etag_of(MOUSE.model_copy(update={"price_cents": price})) for price in range(50)}
    assert len(tags) == 50


@pytest.mark.parametrize("sort", Sort)
def test_a_cursor_survives_the_way_to_the_caller_and_back(sort):
    cursor = Cursor(sort, *sort.key(MOUSE))
    assert Cursor.decode(cursor.encode(), sort) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "ä",
        "=",
        Cursor(Sort.NAME, "Mouse", "mouse").encode(),
        Cursor(Sort.PRICE, "12", "mouse").encode(),
        Cursor(Sort.PRICE, 2**70, "mouse").encode(),
        Cursor(Sort.PRICE, 1, "no sku\x00").encode(),
    ],
)
def test_a_cursor_that_this_list_has_not_given_is_a_wrong_field(text):
    with pytest.raises(InvalidRequest) as caught:
        Listing(sort=Sort.PRICE, cursor=text).after  # noqa: B018
    assert caught.value.details[0]["field"] == "cursor"
