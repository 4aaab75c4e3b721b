"""Telling all instances, over a real Redis and without one."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from workbook_lib.kit import logs
from workbook_lib.kit.broadcast import Broadcast
from workbook_lib.lab.evidence import eventually

Listening = tuple[list[Broadcast], list[list[str]]]


@asynccontextmanager
async def _listening(
    url: str, channel: str, count: int
) -> AsyncIterator[tuple[list[Broadcast], list[list[str]]]]:
    """Instances that listen, and what each has heard."""
    heard: list[list[str]] = [[] for _ in range(count)]
    instances = [
        Broadcast(
            url,
            channel=channel,
            hear=lambda topic, text, to=each: to.append(f"{topic}: {text}"),
            timeout_seconds=10,
        )
        for each in heard
    ]
    for instance in instances:
        await instance.start()
    redis = Redis.from_url(url)
    await eventually(lambda: _listeners(redis, channel, count))
    await redis.aclose()
    yield instances, heard
    for instance in instances:
        await instance.stop()


async def _listeners(redis: Redis, channel: str, count: int) -> bool:
    return (await redis.pubsub_numsub(channel))[0][1] == count


async def test_the_others_hear_it_in_order_and_its_sender_does_not(redis_url: str) -> None:
    async with _listening(redis_url, uuid.uuid4().hex, 3) as (instances, heard):
        for number in range(50):
            assert await instances[0].publish("news", str(number))
        await eventually(lambda: [len(each) for each in heard] == [0, 50, 50])
    assert heard[1] == heard[2] == [f"news: {number}" for number in range(50)]


async def test_after_its_connection_was_cut_it_listens_again(redis_url: str) -> None:
    async with _listening(redis_url, uuid.uuid4().hex, 2) as (instances, heard):
        redis = Redis.from_url(redis_url)
        await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await redis.aclose()

        async def told() -> bool:
            # Not once: the client subscribes, gives up and subscribes anew, so being counted isn't enough.
            assert await instances[0].publish("news", "again")
            return bool(heard[1])

        await eventually(told)
    assert set(heard[1]) == {"news: again"}


async def test_what_others_put_on_the_channel_is_not_heard(redis_url: str) -> None:
    channel = uuid.uuid4().hex
    async with _listening(redis_url, channel, 1) as (_, heard):
        redis = Redis.from_url(redis_url)
        for text in (b"junk", b'{"sender": 1}', b'{"sender":"x","topic":"t","text":"right"}'):
            await redis.publish(channel, text)
        await redis.aclose()
        await eventually(lambda: heard[0])
    assert heard == [["t: right"]]


async def test_without_redis_publishing_says_so_within_its_bound(black_hole: str, capsys) -> None:
    logs.configure("demo", "demo-1")
    for url in ("redis://127.0.0.1:1/0", f"redis://{black_hole}"):
        instance = Broadcast(url, channel="c", hear=lambda topic, text: None, timeout_seconds=0.2)
        assert not await instance.publish("news", "before it was started")
        await instance.start()
        async with asyncio.timeout(10):
            assert not await instance.publish("news", "lost")
        if url.endswith(":1/0"):
            await asyncio.sleep(0.5)  # some more tries
        await instance.stop()
        await instance.stop()
    printed = capsys.readouterr().out
    assert printed.count('"not broadcast"') == 2
    assert printed.count('"broadcast not heard"') <= 2, "once an outage"
