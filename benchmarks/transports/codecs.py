"""What the same users take as protobuf and as JSON: bytes, and time to encode and decode."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from services.contracts import users_pb2

__all__ = ["Codec", "codecs"]

ROUNDS = 7
ROUND_SECONDS = 0.01


@dataclass(frozen=True)
class Codec:
    """One way to put some users into bytes and back; microseconds of the best round.

    Encoding starts from values that a service has at hand, and decoding ends with objects to use: building
    the messages counts, and so does pydantic's check of every field.
    """

    codec: str
    users: int
    bytes: int
    gzip_bytes: int
    encode_us: float
    decode_us: float


class _User(BaseModel):
    id: str
    name: str
    email: str
    age: int | None


class _Page(BaseModel):
    users: list[_User]


Row = dict[str, Any]


def _as_protobuf(rows: Sequence[Row]) -> bytes:
    page = users_pb2.UserPage(users=[users_pb2.User(**row) for row in rows])
    encoded: bytes = page.SerializeToString()
    return encoded


def _as_json(rows: Sequence[Row]) -> bytes:
    return json.dumps({"users": rows}, separators=(",", ":")).encode()


def _as_checked_json(rows: Sequence[Row]) -> bytes:
    return _Page(users=[_User.model_validate(row) for row in rows]).model_dump_json().encode()


Encode = Callable[[Sequence[Row]], bytes]
Decode = Callable[[bytes], object]
CODECS: dict[str, tuple[Encode, Decode]] = {
    "protobuf": (_as_protobuf, users_pb2.UserPage.FromString),
    "JSON, json": (_as_json, json.loads),
    "JSON, pydantic": (_as_checked_json, _Page.model_validate_json),
}


def codecs(counts: Sequence[int]) -> Iterator[Codec]:
    """A row a codec and number of users."""
    for count in counts:
        rows = [
            {
                "id": f"user{number:012x}",
                "name": f"Reader Number {number}",
                "email": f"reader{number}@example.com",
                "age": 20 + number % 60,
            }
            for number in range(count)
        ]
        for name, (encode, decode) in CODECS.items():
            encoded = encode(rows)
            yield Codec(
                codec=name,
                users=count,
                bytes=len(encoded),
                gzip_bytes=len(gzip.compress(encoded)),
                encode_us=_microseconds(encode, rows),
                decode_us=_microseconds(decode, encoded),
            )


def _microseconds(work: Callable[[Any], object], given: object) -> float:
    """Of the best round, because other work on the machine only adds."""
    best = float("inf")
    for _ in range(ROUNDS):
        calls, began, cpu = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - began < ROUND_SECONDS:
            work(given)
            calls += 1
        best = min(best, (time.process_time() - cpu) / calls)
    return round(best * 1e6, 2)
