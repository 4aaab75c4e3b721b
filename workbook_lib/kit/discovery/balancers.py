"""Choosing one of the instances that a subscriber knows."""

import random
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Protocol

from workbook_lib.kit.consul import Instance
from workbook_lib.kit.discovery.instances import Instances, NoInstances, in_turn

__all__ = ["LeastOutstanding", "RoundRobin", "Source", "WeightedRandom"]


class Source(Protocol):
    """What a balancer chooses from: a subscriber, or a fixed list."""

    @property
    def service(self) -> str:
        """Whose instances they are."""
        ...

    @property
    def instances(self) -> Sequence[Instance]:
        """The instances now known."""
        ...

    @property
    def age_seconds(self) -> float | None:
        """Seconds since they were confirmed; None if they never were."""
        ...


class RoundRobin(Instances):
    """Each instance in turn: exact while the instances don't change, whoever calls (tasks or threads)."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._turn = count()  # next() on it is atomic in CPython, so no lock is needed

    @property
    def instances(self) -> Sequence[Instance]:
        """The instances that take turns."""
        return self._source.instances

    def next(self, *, excluding: Container[str] = ()) -> Instance:
        """The instance whose turn it is; raises `NoInstances`."""
        chosen = in_turn(self._source.instances, next(self._turn), excluding)
        if chosen is None:
            raise _none_of(self._source)
        return chosen


class LeastOutstanding(Instances):
    """The instance with the fewest of this client's calls under way; of several such, each in turn.

    A slow instance gets less without anybody measuring it. Looks at all instances: choosing the better of
    two random ones is for thousands of them, or for counts that many clients share and that are stale. Only
    `lease` counts, and its block's end gives the place back, by whatever error or cancellation. An instance
    that fails fast looks idle and draws calls, so use it with a breaker. For one event loop, not for threads.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._turn = count()
        self._outstanding: Counter[str] = Counter()

    @property
    def instances(self) -> Sequence[Instance]:
        """The instances to choose from."""
        return self._source.instances

    @property
    def outstanding(self) -> Mapping[str, int]:
        """By instance id, the calls under way; also of instances that have left the list meanwhile."""
        return dict(self._outstanding)

    def next(self, *, excluding: Container[str] = ()) -> Instance:
        """The instance with the fewest calls under way; raises `NoInstances`. Counts nothing."""
        eligible = [instance for instance in self._source.instances if instance.id not in excluding]
        least = min((self._outstanding[instance.id] for instance in eligible), default=0)
        idlest = [instance for instance in eligible if self._outstanding[instance.id] == least]
        chosen = in_turn(idlest, next(self._turn))
        if chosen is None:
            raise _none_of(self._source)
        return chosen

    @contextmanager
    def lease(self, *, excluding: Container[str] = ()) -> Iterator[Instance]:
        """The instance with the fewest calls under way, which has one more while the block runs."""
        instance = self.next(excluding=excluding)
        self._outstanding[instance.id] += 1
        try:
            yield instance
        finally:
            self._outstanding[instance.id] -= 1
            if not self._outstanding[instance.id]:
                del self._outstanding[instance.id]  # instances come and go under ever new ids


class WeightedRandom(Instances):
    """An instance drawn anew for each call, as likely as its weight in Consul is large.

    Drawn rather than taken in turn, so that nothing about a call decides where it goes: two versions of a
    service then see the same calls, whatever pattern the calls have, and may be compared.
    """

    def __init__(self, source: Source, *, draw: Callable[[], float] = random.random) -> None:
        self._source = source
        self._draw = draw
        """A number from 0 up to 1, without 1."""

    @property
    def instances(self) -> Sequence[Instance]:
        """The instances to draw from."""
        return self._source.instances

    def next(self, *, excluding: Container[str] = ()) -> Instance:
        """The instance drawn; raises `NoInstances`."""
        eligible = [instance for instance in self._source.instances if instance.id not in excluding]
        mark = self._draw() * sum(instance.weight for instance in eligible)
        for instance in eligible:
            mark -= instance.weight
            if mark < 0:
                return instance
        raise _none_of(self._source)


def _none_of(source: Source) -> NoInstances:
    if source.instances:
        reason = f"all {len(source.instances)} are excluded"
    elif source.age_seconds is None:
        reason = "Consul hasn't answered yet"
    else:
        reason = "none passes its health check"
    return NoInstances(f"no instance of {source.service}: {reason}")
