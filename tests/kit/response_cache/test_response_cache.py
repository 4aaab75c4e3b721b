"""What is cached, for how long, under which key, and what the headers tell of it."""

import asyncio

import pytest
from fastapi import Request, Response
from pydantic import BaseModel

from workbook_lib.kit.cache import Cache
from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.errors import DeadlineExceeded, NotFound, Unavailable
from workbook_lib.kit.response_cache import CachePolicy, ResponseCache
from workbook_lib.kit.response_cache.entry import Entry
from workbook_lib.kit.response_cache.flights import Flights, Turns
from workbook_lib.kit.response_cache.store import EntryStore
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings
from workbook_lib.lab.evidence import eventually

POLICY = CachePolicy(ttl_seconds=10, negative_seconds=10, jitter=0, tags=("items",), query=("page",))


class Item(BaseModel):
    """Which load made it."""

    load: int


def _cache(redis_url: str, namespace: str) -> Cache:
    """With patience: on a busy machine Redis isn't away yet when it doesn't answer for a second."""
    return Cache(redis_url, namespace=namespace, timeout_seconds=20)


class Shelf:
    """A service with one cached route, and what its loads do."""

    def __init__(
        self, cache: Cache, clock: ManualClock, policy: CachePolicy = POLICY, *, load_seconds: float = 20
    ) -> None:
        self.service = Service(ServiceSettings(service="shelf"), title="Shelf")
        self.responses = ResponseCache(
            cache,
            name="shelf",
            registry=self.service.metrics.registry,
            clock=clock,
            load_seconds=load_seconds,
            lease_seconds=30,
        )
        self.service.add_resource(self.responses)
        self.loads = 0
        self.fails: Exception | None = None
        self.meanwhile = lambda: asyncio.sleep(0)

        async def load() -> Item:
            self.loads += 1
            item = Item(load=self.loads)
            await self.meanwhile()
            if self.fails:
                raise self.fails
            return item

        @self.service.app.api_route("/items/{name}", methods=["GET", "POST"])
        async def items(name: str, request: Request) -> Response:
            language = request.headers.get("accept-language", "en")[:2]
            return await self.responses.respond(request, policy, load, vary={"Accept-Language": language})

    def counted(self, result: str) -> float:
        """Requests with this result."""
        value = self.service.metrics.registry.get_sample_value(
            "response_cache_requests_total", {"result": result}
        )
        return value or 0


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def shelf(redis_url, namespace, clock):
    return Shelf(_cache(redis_url, namespace), clock)


@pytest.fixture
async def client(shelf, calling):
    async with calling(shelf.service) as client:
        yield client


async def test_an_answer_is_loaded_once_and_then_comes_from_redis_with_its_age(shelf, client, clock):
    first = await client.get("/items/a")
    await clock.advance(4)
    second = await client.get("/items/a")
    assert first.content == second.content == b'{"load":1}'
    assert first.headers["cache-status"] == "shelf; fwd=miss; stored"
    assert "age" not in first.headers
    assert (second.headers["cache-status"], second.headers["age"]) == ("shelf; hit; ttl=6", "4")
    assert second.headers["content-type"] == "application/json"
    assert (shelf.counted("miss"), shelf.counted("hit")) == (1, 1)


async def test_when_its_time_is_over_it_is_loaded_again(shelf, client, clock):
    await client.get("/items/a")
    await clock.advance(10)
    assert (await client.get("/items/a")).json() == {"load": 2}


async def test_part_of_the_time_is_left_to_chance(redis_url, namespace, clock, calling):
    shelf = Shelf(_cache(redis_url, namespace), clock, POLICY._replace(ttl_seconds=1000, jitter=0.5))
    async with calling(shelf.service) as client:
        for number in range(8):
            await client.get(f"/items/{number}")
        hits = [await client.get(f"/items/{number}") for number in range(8)]
    lives = [int(hit.headers["cache-status"].rpartition("=")[2]) for hit in hits]
    assert all(500 <= life <= 1000 for life in lives)
    assert len(set(lives)) > 1


async def test_the_key_is_path_declared_query_in_any_order_and_what_the_answer_varies_by(shelf, client):
    for path, language, loads in (
        ("/items/a", "en", 1),
        ("/items/b", "en", 2),
        ("/items/a?page=2", "en", 3),
        ("/items/a?page=2&page=3", "en", 4),
        ("/items/a?page=3&page=2", "en", 4),
        ("/items/a?buster=1", "en", 4),
        ("/items/a", "de", 5),
        ("/items/a", "de-AT", 5),
    ):
        answer = await client.get(path, headers={"Accept-Language": language})
        assert shelf.loads == loads, path
        assert answer.headers["vary"] == "Accept-Language"


@pytest.mark.parametrize("header", ["Authorization", "Cookie"])
async def test_who_brings_credentials_gets_no_cached_answer_and_leaves_none(shelf, client, header):
    answers = [await client.get("/items/a", headers={header: "secret=1"}) for _ in range(2)]
    assert shelf.loads == 2
    assert answers[0].headers["cache-status"] == "shelf; fwd=bypass"
    await client.get("/items/a")
    assert shelf.loads == 3


async def test_credentials_can_be_declared_to_make_no_difference(redis_url, namespace, clock, calling):
    shelf = Shelf(_cache(redis_url, namespace), clock, POLICY._replace(with_credentials=True))
    async with calling(shelf.service) as client:
        await client.get("/items/a", headers={"Cookie": "a=1"})
        await client.get("/items/a", headers={"Cookie": "a=2"})
    assert shelf.loads == 1


async def test_only_get_is_cached(shelf, client):
    for _ in range(2):
        await client.post("/items/a")
    assert (shelf.loads, shelf.counted("bypass")) == (2, 2)


async def test_a_client_that_has_it_already_gets_a_304(shelf, client):
    first = await client.get("/items/a")
    etag = first.headers["etag"]
    for sent in (etag, etag.removeprefix("W/"), f'"x", {etag}', "*"):
        answer = await client.get("/items/a", headers={"If-None-Match": sent})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert (await client.get("/items/a", headers={"If-None-Match": '"x"'})).status_code == 200
    assert first.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("how", ["tag", "path"])
async def test_an_invalidation_in_another_instance_is_seen_at_once(
    shelf, client, redis_url, namespace, clock, how
):
    other = ResponseCache(_cache(redis_url, namespace), name="other", clock=clock)
    await other.start()
    await client.get("/items/a")
    await client.get("/items/b")
    await (other.invalidate("items") if how == "tag" else other.invalidate_path("/items/a"))
    await client.get("/items/a")
    await client.get("/items/b")
    assert shelf.loads == (4 if how == "tag" else 3)
    await other.stop()


async def test_what_was_being_loaded_when_it_was_invalidated_is_not_shown_afterwards(shelf, client):
    began, go_on = asyncio.Event(), asyncio.Event()

    async def meanwhile():
        began.set()
        await go_on.wait()

    shelf.meanwhile = meanwhile
    early = asyncio.create_task(client.get("/items/a"))
    await began.wait()
    await shelf.responses.invalidate("items")
    go_on.set()
    assert (await early).json() == {"load": 1}
    assert (await client.get("/items/a")).json() == {"load": 2}


async def test_not_found_is_remembered_for_a_moment_with_a_trace_id_of_its_own(shelf, client, clock):
    shelf.fails = NotFound("no item 'a'", details={"name": "a"})
    answers = [(await client.get("/items/a")).json() for _ in range(2)]
    assert shelf.loads == 1
    assert [(body["code"], body["message"], body["details"]) for body in answers] == [
        (40401, "no item 'a'", {"name": "a"})
    ] * 2
    assert answers[0]["traceId"] != answers[1]["traceId"]
    await clock.advance(10)
    shelf.fails = None
    assert (await client.get("/items/a")).status_code == 200


async def test_another_error_is_never_kept_and_its_lock_is_free_at_once(shelf, client):
    shelf.fails = Unavailable("away")
    assert (await client.get("/items/a")).status_code == 503
    shelf.fails = None
    assert (await client.get("/items/a")).status_code == 200
    assert shelf.loads == 2


async def test_a_load_that_takes_too_long_ends_with_504_and_frees_the_lock(
    redis_url, namespace, clock, calling
):
    shelf = Shelf(_cache(redis_url, namespace), clock, load_seconds=1)
    async with calling(shelf.service) as client:
        shelf.meanwhile = lambda: asyncio.sleep(60)
        assert (await client.get("/items/a")).status_code == DeadlineExceeded.status
        shelf.meanwhile = lambda: asyncio.sleep(0)
        assert (await client.get("/items/a")).status_code == 200


async def test_a_stale_answer_is_shown_while_one_load_refreshes_it(redis_url, namespace, clock, calling):
    shelf = Shelf(_cache(redis_url, namespace), clock, POLICY._replace(stale_seconds=5))
    async with calling(shelf.service) as client:
        await client.get("/items/a")
        await clock.advance(12)
        shelf.meanwhile = asyncio.Event().wait
        stale = await asyncio.gather(*(client.get("/items/a") for _ in range(5)))
        assert {answer.headers["cache-status"] for answer in stale} == {"shelf; hit; ttl=-2"}
        await clock.advance(4)
        await eventually(lambda: shelf.loads == 2, interval_seconds=0.01)
    assert (shelf.loads, shelf.counted("stale")) == (2, 5), "one refreshes for all"


async def test_callers_who_leave_do_not_end_the_load_for_the_others(shelf, client):
    go_on = asyncio.Event()
    shelf.meanwhile = go_on.wait
    callers = [asyncio.create_task(client.get("/items/a")) for _ in range(5)]
    await eventually(lambda: shelf.loads, interval_seconds=0.01)
    callers[0].cancel()
    go_on.set()
    answers = await asyncio.gather(*callers[1:])
    assert (shelf.loads, {answer.status_code for answer in answers}) == (1, {200})


async def test_whoever_lost_the_lock_keeps_nothing(redis_url, namespace):
    cache = _cache(redis_url, namespace)
    await cache.start()
    store = EntryStore(cache)
    late = await store.lock("k", 0.05)
    assert late is not None
    next_one = await eventually(lambda: store.lock("k", 60), interval_seconds=0.01)
    assert await store.lock("k", 60) is None
    await store.unlock("k", late)
    assert not await store.put_and_unlock("k", late, Entry(b"late", 0, 0, {}), 60)
    assert await store.put_and_unlock("k", next_one, Entry(b"next", 0, 0, {}), 60)
    assert (await store.find("k", ())).entry.body == b"next"
    assert await store.lock("k", 60) is not None
    await cache.stop()


async def test_an_entry_of_another_version_is_none(redis_url, namespace):
    cache = _cache(redis_url, namespace)
    await cache.start()
    for stored in (b"", b"\x80", b'{"future":1}\nbody', b"[]\n"):
        await cache.set("entry:k", stored, 60)
        assert (await EntryStore(cache).find("k", ())).entry is None
    await cache.stop()


def test_a_lease_shorter_than_a_load_is_refused():
    with pytest.raises(ValueError, match="lease"):
        ResponseCache(Cache("redis://x", namespace="x"), name="x", load_seconds=5, lease_seconds=5)


async def test_a_flight_that_fails_while_nobody_waits_any_more_is_silent():
    flights: Flights[int] = Flights()

    async def fail() -> int:
        raise ValueError

    task = flights.begin("k", fail)
    await asyncio.sleep(0.01)
    assert task.done()
    assert not flights.under_way("k")
    await flights.stop()


async def test_a_look_is_shared_only_with_callers_who_came_before_it_began():
    turns: Turns[int] = Turns()
    looks, go_on = 0, asyncio.Event()

    async def look() -> int:
        nonlocal looks
        looks += 1
        mine = looks
        await go_on.wait()
        return mine

    first = asyncio.create_task(turns.join("k", look))
    await eventually(lambda: looks)
    later = [asyncio.create_task(turns.join("k", look)) for _ in range(100)]
    await asyncio.sleep(0)
    go_on.set()
    assert await first == 1
    assert set(await asyncio.gather(*later)) == {2}
    assert await turns.join("k", look) == 3
