"""What a way puts on the wire: connections and bytes, counted by a relay between caller and service."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.transports.ways import Service, Way
from workbook_lib.lab.faults.relay import Relay

__all__ = ["Wire", "on_the_wire"]

CALLS, AT_ONCE = 40, 8


@dataclass(frozen=True)
class Wire:
    """`connections` that 40 calls by 8 callers opened, and bytes: of a first call alone, and of the others.

    TCP's and IP's own bytes aren't in it. The first call's include the opening of HTTP/2 (preface, settings).
    """

    way: str
    users: int
    connections: int
    first_sent: int
    first_received: int
    sent_a_call: int
    received_a_call: int


async def on_the_wire(way: Way, service: Service) -> Wire:
    """One call, and then many. Raises RuntimeError when an answer tells of too few users."""
    async with _relayed(way, service) as (relay, through), way.open(through) as ask:
        await _check(way, await ask())
        first = relay.traffic()
        gate = asyncio.Semaphore(AT_ONCE)

        async def one() -> int:
            async with gate:
                return await ask()

        for told in await asyncio.gather(*(one() for _ in range(CALLS))):
            await _check(way, told)
        later = relay.traffic() - first
    return Wire(
        way=way.name,
        users=way.users,
        connections=first.connections + later.connections,
        first_sent=first.sent_bytes,
        first_received=first.received_bytes,
        sent_a_call=round(later.sent_bytes / CALLS),
        received_a_call=round(later.received_bytes / CALLS),
    )


async def _check(way: Way, told: int) -> None:
    if told != way.users:
        raise RuntimeError(f"{way.name}: {told} users in place of {way.users}")


@asynccontextmanager
async def _relayed(way: Way, service: Service) -> AsyncIterator[tuple[Relay, Service]]:
    """A relay in front of the side that this way asks."""
    upstream = urlsplit(service.url if way.over == "rest" else f"//{service.target}").port or 0
    async with AsyncExitStack() as ending:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        relay = Relay(port, upstream)
        await relay.listen()
        ending.callback(relay.cut)
        yield relay, Service(f"http://127.0.0.1:{port}", f"127.0.0.1:{port}")
