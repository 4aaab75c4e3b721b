"""Stock of several SKUs: a fan-out to the inventory, cached in Redis until something of it is sold."""

from functools import partial

import pytest
from redis.asyncio import Redis

from services.gateway import app as gateway
from services.gateway import stock
from services.gateway.settings import GatewaySettings
from workbook_lib.kit.response_cache import CachePolicy

SKUS = {"sku": ["mouse", "keyboard"]}


@pytest.fixture
async def empty_cache(redis_url):
    """A Redis without anything that a gateway has cached before."""
    redis = Redis.from_url(redis_url)
    async for key in redis.scan_iter("gateway-responses:*"):
        await redis.delete(key)
    await redis.aclose()
    return redis_url


@pytest.fixture
async def cached(running, tmp_path, behind, empty_cache, monkeypatch):
    # Nothing is to be forgotten in the middle of a test: "not found" is kept for two seconds otherwise.
    monkeypatch.setattr(stock, "CachePolicy", partial(CachePolicy, negative_seconds=300.0))
    settings = GatewaySettings(
        redis_url=empty_cache, upload_folder=tmp_path / "uploads", stock_ttl_seconds=300
    )
    async with running(gateway.build(settings, behind)) as client:
        yield client


async def _stock(client, language="en", **params):
    answer = await client.get("/stock", params=params or SKUS, headers={"Accept-Language": language})
    return answer, answer.headers.get("cache-status")


async def test_it_tells_each_thing_and_the_sum_in_the_callers_language(cached):
    english, _ = await _stock(cached)
    german, _ = await _stock(cached, "de")
    assert [item["sku"] for item in english.json()["items"]] == ["keyboard", "mouse"]
    assert english.json()["pieces"] == "1,300 pieces are in stock."
    assert english.json()["worth"] == "All of it is worth €72,550.00."
    assert german.json()["worth"] == "Alles zusammen ist 72.550,00\N{NO-BREAK SPACE}€ wert."
    assert (german.headers["content-language"], german.headers["vary"]) == ("de", "Accept-Language")


async def test_a_second_caller_gets_it_from_redis_whatever_the_order_of_the_skus(cached):
    first, status = await _stock(cached)
    assert status == "gateway; fwd=miss; stored"
    second, status = await _stock(cached, sku=["keyboard", "mouse"])
    assert status.startswith("gateway; hit; ttl=")
    assert second.content == first.content
    answer = await cached.get("/stock", params=SKUS, headers={"If-None-Match": first.headers["etag"]})
    assert answer.status_code == 304


async def test_an_order_makes_what_tells_of_its_sku_count_no_more_and_leaves_the_rest(cached):
    await _stock(cached)
    await _stock(cached, sku="webcam")
    await cached.post("/users/user123/orders", json={"sku": "mouse", "quantity": 1})
    after, status = await _stock(cached)
    assert (after.json()["pieces"], status) == ("1,299 pieces are in stock.", "gateway; fwd=miss; stored")
    _, status = await _stock(cached, sku="webcam")
    assert status.startswith("gateway; hit")


async def test_an_unknown_sku_is_a_404_that_is_remembered(cached):
    for _ in range(2):
        answer, _ = await _stock(cached, sku="unicorn")
        assert (answer.status_code, answer.json()["code"]) == (404, 40401)
    metrics = (await cached.get("/metrics")).text
    assert "response_cache_loads_total 1.0" in metrics
    assert 'response_cache_requests_total{result="hit"} 1.0' in metrics


async def test_without_redis_it_is_answered_all_the_same(edge):
    answer, status = await _stock(edge)
    assert (answer.status_code, status) == (200, "gateway; fwd=miss; detail=store-unavailable")


@pytest.mark.parametrize("skus", [[], ["a/b"], ["x" * 65], ["a"] * 51])
async def test_what_is_no_list_of_skus_is_a_400(edge, skus):
    answer = await edge.get("/stock", params={"sku": skus})
    assert (answer.status_code, answer.json()["code"]) == (400, 40001)
