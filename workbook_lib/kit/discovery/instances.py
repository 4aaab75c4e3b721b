"""Where a client's next call goes: what every balancer offers, and the one over a fixed list."""

from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Protocol

from workbook_lib.kit.consul import Instance
from workbook_lib.kit.errors import Unavailable

__all__ = ["Instances", "NoInstances", "StaticInstances", "in_turn"]


class NoInstances(Unavailable):
    """There is no instance to call; the message tells whether none is healthy or none was ever heard of."""


class Instances(Protocol):
    """Where a client's next call goes."""

    @property
    def instances(self) -> Sequence[Instance]:
        """The instances now known."""
        ...

    def next(self, *, excluding: Container[str] = ()) -> Instance:
        """The instance for one call, none of those whose ids are excluded; raises `NoInstances`."""
        ...

    @contextmanager
    def lease(self, *, excluding: Container[str] = ()) -> Iterator[Instance]:
        """The instance for one call, which lasts as long as the block; raises `NoInstances`."""
        yield self.next(excluding=excluding)


class StaticInstances(Instances):
    """A fixed list of instances in turn, for where there is no Consul; a balancer's source as well."""

    age_seconds = 0.0

    def __init__(self, instances: Iterable[Instance]) -> None:
        self._instances = tuple(instances)
        if not self._instances:
            raise ValueError("at least one instance is needed")
        self.service = self._instances[0].service
        self._turn = count()

    @classmethod
    def at(cls, *urls: str) -> "StaticInstances":
        """Instances at fixed addresses, each a URL or host:port."""
        return cls(Instance.at(url) for url in urls)

    @property
    def instances(self) -> Sequence[Instance]:
        """The instances as given."""
        return self._instances

    def next(self, *, excluding: Container[str] = ()) -> Instance:
        """The instance whose turn it is; raises `NoInstances` when all are excluded."""
        chosen = in_turn(self._instances, next(self._turn), excluding)
        if chosen is None:
            raise NoInstances(f"all {len(self._instances)} instances are excluded")
        return chosen


def in_turn(instances: Sequence[Instance], turn: int, excluding: Container[str] = ()) -> Instance | None:
    """The instance whose turn it is among those that aren't excluded; None when there is none."""
    eligible = [each for each in instances if each.id not in excluding] if excluding else instances
    return eligible[turn % len(eligible)] if eligible else None
