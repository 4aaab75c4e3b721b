"""What a provisioned server is, and the one error that says why it can't be had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Found", "How", "ProvisionError", "Report"]

How = Literal["endpoint", "path", "cache", "archive", "registry"]
"""Where a server was found, in the order in which the places are tried."""

Report = Callable[[str], None]
"""Receives one line of progress at a time."""


@dataclass(frozen=True)
class Found:
    """A server that can be started (or, for an endpoint, used).

    `path` is the program, Kafka's prepared folder, or None for an endpoint. `version` is "" when the
    program doesn't tell it. `detail` is the endpoint's address, or where the program came from.
    """

    name: str
    how: How
    version: str
    path: Path | None
    detail: str


class ProvisionError(RuntimeError):
    """A server can't be had; the message is a sentence on the cause and what to do about it."""
