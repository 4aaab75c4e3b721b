"""What is sent and received."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple, Self

from aiokafka import ConsumerRecord

from workbook_lib.kit.errors import Internal, Unavailable

__all__ = [
    "EVENT_ID",
    "Handler",
    "Headers",
    "Message",
    "MessageRefused",
    "MessagingError",
    "Outgoing",
    "Position",
    "header",
]

Headers = tuple[tuple[str, bytes], ...]

EVENT_ID: Final = "event-id"
"""The header by which a consumer knows a message again that comes a second time."""


class MessagingError(Unavailable):
    """Kafka can't be reached, answered too late or refused the request."""


class MessageRefused(MessagingError):
    """Kafka refuses the message as it is: too large, no such topic, not allowed. Trying again won't help."""

    code = 50002
    status = 500
    retryable = False
    public_message = Internal.public_message


class Outgoing(NamedTuple):
    """A message to send. A traceparent among `headers` is that of what the message tells of."""

    topic: str
    key: str | None
    value: bytes
    headers: Headers = ()


class Position(NamedTuple):
    """Where a message lies in the log."""

    topic: str
    partition: int
    offset: int


class Message(NamedTuple):
    """One record as a handler gets it."""

    topic: str
    partition: int
    offset: int
    key: str | None
    value: bytes
    headers: Headers
    timestamp: datetime

    @classmethod
    def of(cls, record: ConsumerRecord[bytes, bytes]) -> Self:
        """The message in a record of aiokafka; bytes of a key that aren't UTF-8 are kept as surrogates."""
        key, headers = record.key, record.headers
        return cls(
            record.topic,
            record.partition,
            record.offset,
            None if key is None else key.decode("utf-8", "surrogateescape"),
            record.value or b"",
            tuple([(name, value or b"") for name, value in headers]) if headers else (),
            datetime.fromtimestamp(record.timestamp / 1000, UTC),
        )


Handler = Callable[[Message], Awaitable[None]]


def header(message: Message, name: str) -> str | None:
    """The text of the last header called `name`, as Kafka's own clients read a name that occurs twice."""
    found = [value for key, value in message.headers if key == name]
    return found[-1].decode(errors="replace") if found else None
