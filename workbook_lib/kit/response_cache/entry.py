"""What is kept of one answer, and how it is written down."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from pydantic_core import from_json, to_json

from workbook_lib.kit.errors import ServiceError, from_body

__all__ = ["Entry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer's body, or the error that stands for "there is none"; times in seconds since 1970.

    `versions` are those that its tags had before it was loaded: when one of them has another now, what the
    entry tells may have changed, and it counts no more.
    """

    body: bytes
    loaded_at: float
    fresh_until: float
    versions: Mapping[str, str]
    error: Mapping[str, Any] | None = field(default=None)

    @classmethod
    def of_error(
        cls, error: ServiceError, loaded_at: float, fresh_until: float, versions: Mapping[str, str]
    ) -> Self:
        """The entry for an answer that is an error; its body is made anew each time, with the trace's id."""
        told = {
            "code": error.code,
            "message": error.message,
            "details": error.details,
            "status": error.status,
        }
        return cls(b"", loaded_at, fresh_until, versions, told)

    @property
    def etag(self) -> str:
        """The entity tag, weak: compressed or not, it is the same answer (RFC 9110, 8.8.1)."""
        return f'W/"{hashlib.sha256(self.body).hexdigest()[:32]}"'

    def raise_error(self) -> None:
        """Raise the error that this entry is, if it is one."""
        if self.error is not None:
            raise from_body(self.error["status"], self.error)

    def encode(self) -> bytes:
        """As it lies in Redis: a line of JSON, then the body."""
        about = asdict(self)
        del about["body"]
        return to_json(about) + b"\n" + self.body

    @classmethod
    def decode(cls, stored: bytes) -> Self:
        """The entry that `encode` wrote. Raises ValueError."""
        about, _, body = stored.partition(b"\n")
        try:
            return cls(body=body, **from_json(about))
        except TypeError as error:
            raise ValueError(f"an entry of another version: {error}") from error
