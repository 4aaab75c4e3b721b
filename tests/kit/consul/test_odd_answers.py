"""Whatever answers in Consul's place, a watch neither dies of it nor spins, and stops when it is told.

"Index going backwards, garbage and slow answers don't kill or spin the watch (CPU measured)."
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from workbook_lib.kit.consul import Consul, ConsulError
from workbook_lib.kit.discovery import Subscriber

GOOD = [
    {
        "Node": {"Address": "127.0.0.1"},
        "Service": {"ID": "shop-1", "Service": "shop", "Address": "127.0.0.1", "Port": 80},
        "Checks": [{"Status": "passing"}],
    }
]


def answer(body: object = GOOD, index: object = 7, *, status: str = "200 OK") -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nX-Consul-Index: {index}\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


GARBAGE = {
    "no HTTP": b"\x00\xff garbage\r\n\r\n",
    "a page of something between": answer(b"<h1>Welcome to the hotel's network</h1>"),
    "half of the JSON": answer(json.dumps(GOOD).encode()[:40]),
    "another kind of JSON": answer({"error": "no"}),
    "a list of other things": answer([{"Node": None}, 7]),
    "null": answer(None),
    "an index that is no number": answer(index="many"),
    "an error": answer(b"rpc error: No cluster leader", status="500 Internal Server Error"),
    "no permission": answer(b"Permission denied", status="403 Forbidden"),
}


class Impostor:
    """Answers each question with the next of the script, the last one ever again."""

    def __init__(self, *script: bytes) -> None:
        self.script = list(script)
        self.asked = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                told = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                await self.answer(writer, told)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, writer: asyncio.StreamWriter, told: bytes) -> None:
        writer.write(told)
        await writer.drain()


class Trickling(Impostor):
    """Sends the answer byte by byte, so that no single read ever waits long."""

    async def answer(self, writer: asyncio.StreamWriter, told: bytes) -> None:
        for position in range(len(told)):
            writer.write(told[position : position + 1])
            await writer.drain()
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
async def test_an_answer_that_consul_never_gives_is_a_consul_error(garbage: bytes) -> None:
    async with Impostor(garbage).listening() as address, Consul(address) as consul:
        with pytest.raises(ConsulError, match=address):
            await consul.health("shop")


@pytest.mark.parametrize("ask", ["statuses", "catalog", "kv_get", "kv_list"])
async def test_so_it_is_whatever_was_asked(ask: str) -> None:
    async with Impostor(answer([7])).listening() as address, Consul(address, timeout_seconds=20) as consul:
        with pytest.raises(ConsulError, match="not understood"):
            await getattr(consul, ask)("shop")


async def test_an_answer_that_trickles_in_ends_with_the_clients_timeout() -> None:
    impostor = Trickling(answer())
    async with impostor.listening() as address, Consul(address, timeout_seconds=0.3) as consul:
        started = time.monotonic()
        with pytest.raises(ConsulError, match=r"no answer .* in 0\.3 s"):
            await consul.health("shop")
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
async def test_a_subscriber_outlives_it_keeps_what_it_knows_and_believes_the_next_good_answer(
    garbage: bytes,
) -> None:
    other = [{**GOOD[0], "Service": {**GOOD[0]["Service"], "ID": "shop-2"}}]  # type: ignore[dict-item]
    impostor = Impostor(answer(), garbage, answer(other, 9))
    async with impostor.listening() as address, Consul(address, timeout_seconds=20) as consul:
        subscriber = Subscriber(consul, "shop", start_timeout_seconds=20)
        await subscriber.start()
        assert [each.id for each in subscriber.instances] == ["shop-1"]
        async with asyncio.timeout(20):
            while impostor.asked < 2 or [each.id for each in subscriber.instances] == ["shop-1"]:
                assert subscriber.instances
                await asyncio.sleep(0.01)
        assert [each.id for each in subscriber.instances] == ["shop-2"]
        await subscriber.stop()


BUSY = {
    "the same at once, again and again": [answer()],
    "garbage": [GARBAGE["no HTTP"]],
    "an error at once": [GARBAGE["an error"]],
    "index forwards and backwards": [answer(index=n) for n in (9, 3, 9, 3, 0, -5, 2**63, 1) * 20],
}


@pytest.mark.alone
@pytest.mark.parametrize("script", BUSY.values(), ids=BUSY)
async def test_a_watch_never_spins_and_stops_within_a_second(script: list[bytes]) -> None:
    """At most ten questions a second, for less than a fifth of a processor, the server's share included."""
    impostor = Impostor(*script)
    async with impostor.listening() as address, Consul(address) as consul:
        subscriber = Subscriber(consul, "shop", start_timeout_seconds=0.1)
        await subscriber.start()
        asked, cpu, started = impostor.asked, time.process_time(), time.monotonic()
        await asyncio.sleep(1.5)
        busy, lasted = time.process_time() - cpu, time.monotonic() - started
        assert impostor.asked - asked <= 10 * lasted + 2
        assert busy < 0.2 * lasted
        stopping = time.monotonic()
        await subscriber.stop()
        assert time.monotonic() - stopping < 1
