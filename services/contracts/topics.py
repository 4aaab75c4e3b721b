"""Kafka topics: their names, their number of partitions, and what their messages are keyed by."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["PARTITIONS", "USER_EVENTS"]

USER_EVENTS: Final = "user-events"
"""`events.UserEvent`, keyed by user id: what happens to one user stays in order."""

PARTITIONS: Final[Mapping[str, int]] = MappingProxyType({USER_EVENTS: 6})
