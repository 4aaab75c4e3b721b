"""Ending a client whose broker doesn't answer."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from aiokafka.errors import KafkaError

__all__ = ["close_each"]

_CLOSE_SECONDS = 0.5


async def close_each(*closers: Callable[[], Awaitable[None]]) -> None:
    """Close the parts of an aiokafka client one after another, each within a bound.

    aiokafka's own `stop` waits for answers from the broker; cut off half-way, it leaves tasks and sockets.
    Connections come first here: the tasks above them end only without them.
    """
    for close in closers:
        with contextlib.suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await close()
