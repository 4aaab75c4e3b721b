"""Where the time of a service's profile (GET /debug/profile) went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["HotSpot", "hot_spots"]


@dataclass(frozen=True)
class HotSpot:
    """One function: the share of the profile spent in it alone, and with what it called."""

    function: str
    place: str
    self_share: float
    total_share: float


def hot_spots(profile: Mapping[str, Any], top: int = 10) -> list[HotSpot]:
    """The functions that most time was spent in themselves, most first, wherever they were called from."""
    alone: dict[tuple[str, str], float] = {}
    total: dict[tuple[str, str], float] = {}
    root = profile["root"]
    for stack in _stacks(root, ()) if root else ():
        frame = stack[-1]
        own = frame["seconds"] - sum(child["seconds"] for child in frame["children"])
        alone[_key(frame)] = alone.get(_key(frame), 0.0) + own
        if _key(frame) not in map(_key, stack[:-1]):  # a recursive call is inside its caller's time already
            total[_key(frame)] = total.get(_key(frame), 0.0) + frame["seconds"]
    whole = root["seconds"] if root else 1.0
    busiest = sorted(alone, key=alone.__getitem__, reverse=True)[:top]
    return [HotSpot(*key, alone[key] / whole, total[key] / whole) for key in busiest]


def _stacks(frame: Mapping[str, Any], above: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    stack = (*above, frame)
    yield stack
    for child in frame["children"]:
        yield from _stacks(child, stack)


def _key(frame: Mapping[str, Any]) -> tuple[str, str]:
    return frame["function"], f"{frame['file']}:{frame['line']}"
