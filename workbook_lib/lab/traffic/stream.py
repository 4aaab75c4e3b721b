"""A steady stream of messages, and what became of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from pydantic import BaseModel

from workbook_lib.kit.errors import ServiceError

if TYPE_CHECKING:
    from workbook_lib.kit.messaging import Position, Producer

__all__ = ["Published", "publishing"]

MAX_MESSAGES: Final = 20_000

Event = TypeVar("Event", bound=BaseModel)


@dataclass
class Published(Generic[Event]):
    """Messages in the order in which they were sent."""

    acknowledged: list[Event] = field(default_factory=list)
    """Kept by Kafka."""
    positions: list[Position] = field(default_factory=list)
    """Where each of these lies."""
    unknown: list[Event] = field(default_factory=list)
    """Not acknowledged in time; each may be kept all the same."""


@asynccontextmanager
async def publishing(
    producer: Producer, topic: str, make: Callable[[int], tuple[str, Event]], *, rate: float = 50.0
) -> AsyncIterator[Published[Event]]:
    """Inside the block, send `make(0)`, `make(1)`, … (key and message) at `rate` a second, 20,000 at most.

    One after another, each when the one before is acknowledged or given up. One that is overdue is sent at
    once. At the block's end the one under way is finished. Raises what `make` raises.
    """
    published: Published[Event] = Published()
    ending = asyncio.Event()
    stream = asyncio.create_task(_stream(producer, topic, make, rate, published, ending))
    try:
        yield published
    finally:
        ending.set()
        await stream


async def _stream(
    producer: Producer,
    topic: str,
    make: Callable[[int], tuple[str, Event]],
    rate: float,
    published: Published[Event],
    ending: asyncio.Event,
) -> None:
    started = time.monotonic()
    for number in range(MAX_MESSAGES):
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, started + number / rate - time.monotonic())):
                await ending.wait()
        if ending.is_set():
            return
        key, event = make(number)
        try:
            position = await producer.send(topic, key, event)
        except ServiceError:
            published.unknown.append(event)
        else:
            published.positions.append(position)
            published.acknowledged.append(event)
