"""The cache against a real Redis, and without one."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from redis.asyncio import Redis

from workbook_lib.kit import telemetry
from workbook_lib.kit.cache import Cache, CacheError, Script
from workbook_lib.kit.errors import Unavailable
from workbook_lib.lab import Lab


@pytest.fixture
async def cache(redis_url: str, namespace: str) -> AsyncIterator[Cache]:
    cache = Cache(redis_url, namespace=namespace, timeout_seconds=10)
    await cache.start()
    yield cache
    await cache.stop()


async def test_what_is_set_is_got_until_it_is_deleted(cache: Cache) -> None:
    assert await cache.get("u1") is None
    await cache.set("u1", b"\x00Ann", ttl_seconds=60)
    assert await cache.get("u1") == b"\x00Ann"
    await cache.delete("u1")
    assert await cache.get("u1") is None
    await cache.delete("u1")


async def test_an_entry_ends_with_its_time_to_live_to_the_millisecond(
    cache: Cache, redis_url: str, namespace: str
) -> None:
    redis = Redis.from_url(redis_url)
    began = time.monotonic()
    await cache.set("u1", b"Ann", ttl_seconds=60.5)
    left = await redis.pttl(f"{namespace}:u1")
    assert 60_400 - (time.monotonic() - began) * 1000 < left <= 60_500
    await cache.set("u1", b"Ann", ttl_seconds=0.001)
    await asyncio.sleep(0.02)
    assert await redis.exists(f"{namespace}:u1") == 0
    await redis.aclose()


async def test_reading_can_lengthen_a_life_and_never_begins_one(
    cache: Cache, redis_url: str, namespace: str
) -> None:
    await cache.set("u1", b"Ann", ttl_seconds=60)
    assert await cache.get_and_keep("u1", ttl_seconds=3600) == b"Ann"
    assert await cache.get_and_keep("u2", ttl_seconds=3600) is None
    redis = Redis.from_url(redis_url)
    assert 3_540_000 < await redis.pttl(f"{namespace}:u1") <= 3_600_000
    assert await redis.exists(f"{namespace}:u2") == 0
    await redis.aclose()


async def test_one_of_many_takes_a_value(cache: Cache) -> None:
    await cache.set("u1", b"Ann", ttl_seconds=60)
    taken = await asyncio.gather(*(cache.take("u1") for _ in range(20)))
    assert sorted(taken, key=bool) == [None] * 19 + [b"Ann"]


async def test_a_script_runs_as_one_step_and_is_sent_once(
    cache: Cache, spans: InMemorySpanExporter, namespace: str
) -> None:
    count = Script(f"-- {namespace}\nreturn {{redis.call('INCRBY', KEYS[1], ARGV[1]), ARGV[2]}}")
    assert await cache.run(count, "n", 2, "a") == [2, b"a"]
    results = await asyncio.gather(*(cache.run(count, "n", 1, "b") for _ in range(50)))
    assert sorted(result[0] for result in results) == list(range(3, 53))
    assert [span.name for span in spans.get_finished_spans()].count("EVAL") == 1
    await cache.delete("n")


async def test_a_script_that_fails_is_an_error(cache: Cache) -> None:
    with pytest.raises(CacheError, match="EVAL"):
        await cache.run(Script("return redis.call('NONSENSE')"), "n")


async def test_namespaces_do_not_see_each_other(cache: Cache, redis_url: str) -> None:
    other = Cache(redis_url, namespace="other")
    await other.start()
    await cache.set("u1", b"Ann", ttl_seconds=60)
    assert await other.get("u1") is None
    await other.stop()


async def test_each_command_is_a_span_opened_by_hand(
    cache: Cache, namespace: str, spans: InMemorySpanExporter
) -> None:
    with telemetry.tracer().start_as_current_span("request") as request:
        await cache.set("u1", b"secret", ttl_seconds=60)
        await cache.get("u1")
    written, read, _ = spans.get_finished_spans()
    assert (written.name, read.name) == ("SET", "GET")
    for span in (written, read):
        assert span.kind is SpanKind.CLIENT
        assert span.parent is not None
        assert span.parent.span_id == request.get_span_context().span_id
    assert written.attributes is not None
    assert written.attributes["db.system.name"] == "redis"
    assert written.attributes["db.query.text"] == f"SET {namespace}:u1 ? ? ?"


async def test_redis_away_is_an_error_that_names_it_and_its_span_failed(spans: InMemorySpanExporter) -> None:
    assert issubclass(CacheError, Unavailable)
    cache = Cache("redis://127.0.0.1:1/0", namespace="test")
    with pytest.raises(CacheError, match="isn't started"):
        await cache.get("u1")
    await cache.start()
    with pytest.raises(CacheError, match=r"127\.0\.0\.1:1.*GET"):
        await cache.get("u1")
    with pytest.raises(CacheError):
        await cache.check()
    await cache.stop()
    await cache.stop()
    assert {span.status.status_code for span in spans.get_finished_spans()} == {StatusCode.ERROR}


async def test_a_redis_that_never_answers_ends_the_command_within_its_bound(black_hole: str) -> None:
    cache = Cache(f"redis://{black_hole}", namespace="test", timeout_seconds=0.2)
    await cache.start()
    started = time.monotonic()
    with pytest.raises(CacheError):
        await cache.get("u1")
    assert time.monotonic() - started < 4  # the client's own bound is 5 s
    await cache.stop()


async def test_the_cache_goes_on_when_redis_has_dropped_its_connections(cache: Cache, redis_url: str) -> None:
    await cache.set("u1", b"Ann", ttl_seconds=60)
    redis = Redis.from_url(redis_url)
    await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await redis.aclose()
    assert await cache.get("u1") == b"Ann"
    await cache.check()


async def test_a_redis_that_crashed_is_an_error_at_once(tmp_path: Path) -> None:
    async with Lab("cache", root=tmp_path) as lab:
        await lab.start("redis")
        cache = Cache(lab["redis"].environment["REDIS_URL"], namespace="test", timeout_seconds=10)
        await cache.start()
        await cache.check()
        await lab["redis"].kill()
        started = time.monotonic()
        with pytest.raises(CacheError):
            await cache.check()
        assert time.monotonic() - started < 5
        await cache.stop()


async def test_several_keys_are_read_in_one_command(cache: Cache, spans: InMemorySpanExporter) -> None:
    await cache.set("a", b"1", ttl_seconds=60)
    assert await cache.get_many("a", "b") == [b"1", None]
    assert [span.name for span in spans.get_finished_spans()] == ["SET", "MGET"]


async def test_of_many_that_add_a_key_at_once_one_succeeds(cache: Cache) -> None:
    added = await asyncio.gather(*(cache.add("a", str(n).encode(), ttl_seconds=60) for n in range(10)))
    assert added.count(True) == 1
    assert await cache.get("a") == str(added.index(True)).encode()


async def test_a_script_runs_as_one_step_on_keys_of_the_namespace(
    cache: Cache, spans: InMemorySpanExporter
) -> None:
    script = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])"
    assert await cache.evaluate(script, ["a"], "secret") == b"secret"
    assert await cache.get("a") == b"secret"
    assert all("secret" not in str(span.attributes) for span in spans.get_finished_spans())
