"""Telling all instances of a service something at once, through Redis' publish and subscribe."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final
from uuid import uuid4

from pydantic import BaseModel, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from workbook_lib.kit.backoff import Backoff
from workbook_lib.kit.clock import SYSTEM_CLOCK
from workbook_lib.kit.logs import get_logger

__all__ = ["Broadcast"]

_WAIT_SECONDS: Final = 10.0

_log = get_logger(__name__)


class _Message(BaseModel):
    sender: str
    topic: str
    text: str


class Broadcast:
    """Messages to the other instances that listen on `channel`, at most once: who is away misses them.

    `hear(topic, text)` is called for each message of another instance, in the order in which Redis got them.
    A resource. While Redis is away nothing arrives, `publish` says so, and the subscription is made again.
    """

    def __init__(
        self, url: str, *, channel: str, hear: Callable[[str, str], None], timeout_seconds: float = 1.0
    ) -> None:
        self._url = url
        self._channel = channel
        self._hear = hear
        self._timeout_seconds = timeout_seconds
        self._sender = uuid4().hex
        self._client: Redis | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen, without waiting for Redis."""
        if self._client is None:
            self._client = Redis.from_url(self._url, socket_connect_timeout=self._timeout_seconds)
            self._listening = asyncio.create_task(self._listen(self._client), name=f"hear {self._channel}")

    async def stop(self) -> None:
        """Listen no more, close the connections."""
        client, self._client = self._client, None
        if client is not None and self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
            await client.aclose()

    async def publish(self, topic: str, text: str) -> bool:
        """Tell the other instances; False when Redis didn't take it in time."""
        if self._client is None:
            return False
        message = _Message(sender=self._sender, topic=topic, text=text)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._client.publish(self._channel, message.model_dump_json())
        except (RedisError, TimeoutError) as error:
            _log.warning("not broadcast", channel=self._channel, cause=repr(error))
            return False
        return True

    async def _listen(self, client: Redis) -> None:
        backoff = Backoff(first_seconds=0.1, limit_seconds=2.0)
        told = False
        while True:
            try:
                async with client.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(self._channel)
                    if told:
                        _log.info("broadcast heard again", channel=self._channel)
                    told = False
                    backoff.reset()
                    while True:
                        if (message := await subscription.get_message(timeout=_WAIT_SECONDS)) is not None:
                            self._take(message["data"])
                            await asyncio.sleep(0)  # who hears it has its turn: a burst may be long
            except (RedisError, OSError) as error:
                if not told:  # once an outage, not at each try
                    _log.warning("broadcast not heard", channel=self._channel, cause=repr(error))
                told = True
            await SYSTEM_CLOCK.sleep(backoff.next())

    def _take(self, data: bytes) -> None:
        try:
            message = _Message.model_validate_json(data)
        except ValidationError:
            _log.warning("broadcast not understood", channel=self._channel)
            return
        if message.sender != self._sender:
            self._hear(message.topic, message.text)
