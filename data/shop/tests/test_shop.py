"""The shop by itself: what things cost, and that an order is kept."""

import pytest
from fastapi.testclient import TestClient
from shop import VERSION
from shop.app import ShopSettings, build
from shop.prices import total_cents


@pytest.mark.parametrize(("sku", "quantity", "total"), [("mouse", 1, 3_450), ("webcam", 3, 19_500)])
def test_the_price_is_that_of_each_piece_times_their_number(sku, quantity, total):
    assert total_cents(sku, quantity) == total


def test_an_order_is_kept(tmp_path):
    settings = ShopSettings(database_url=f"sqlite:///{tmp_path / 'shop.db'}")
    with TestClient(build(settings).app) as client:
        assert client.post("/orders", json={"sku": "mouse", "quantity": 2}).json() == {"total_cents": 6_900}
        assert client.post("/orders", json={"sku": "unicorn"}).status_code == 404
        assert client.get("/orders").json() == {"orders": 1}
        assert client.get("/prices/mouse").headers["X-Version"] == f"{VERSION}+unknown"
