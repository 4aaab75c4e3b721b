"""One assigned partition of a consumer."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from workbook_lib.kit.messaging.model import Message

__all__ = ["Lane"]


class Lane:
    """Delivers the messages of one partition one after another, which keeps the order of each key.

    Lanes run beside each other, so that a slow or failing message holds up its own partition only.
    """

    def __init__(self, deliver: Callable[[Message], Awaitable[None]]) -> None:
        self._deliver = deliver
        self._waiting: deque[Message] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.next_offset: int | None = None
        """The offset after the last message that has had its effect: what may be committed."""
        self.committed: int | None = None
        """What has been committed, by the one who does it."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, messages: Iterable[Message]) -> None:
        """Append messages, and deliver them in the background."""
        self._waiting.extend(messages)
        if self._task is None or self._task.done():
            self.check()
            self._task = asyncio.create_task(self._run())

    @property
    def working(self) -> asyncio.Task[None] | None:
        """The delivery under way, if there is one."""
        return None if self._task is None or self._task.done() else self._task

    def check(self) -> None:
        """Raise what ended the delivery, if anything did."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    async def close(self, drain_seconds: float) -> None:
        """Finish the message under way if that takes no longer than `drain_seconds`; leave the others."""
        self._closed = True
        if self._task is not None:
            await asyncio.wait([self._task], timeout=drain_seconds)
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while self._waiting and not self._closed:
            message = self._waiting[0]
            await self._deliver(message)
            self._waiting.popleft()
            self.next_offset = message.offset + 1
