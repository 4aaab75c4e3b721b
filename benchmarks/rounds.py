"""Servers take turns under load, round after round, so that what else the machine does meets them all."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlsplit

from benchmarks.load import Load, Measured, generating, generator
from benchmarks.serving import Served

__all__ = ["Sample", "Way", "interleaved", "least", "middle", "ratios"]

WARM_REQUESTS = 100


@dataclass(frozen=True)
class Way:
    """A server, and the load that it is under when its turn comes."""

    server: Served
    load: Load


@dataclass(frozen=True)
class Sample:
    """One turn: what the load generator saw, and what the server took."""

    measured: Measured
    cpu_seconds: float
    memory_mb: float

    @property
    def cpu_us(self) -> float:
        """Processor time a request, of all the server's threads and processes."""
        return self.cpu_seconds / self.measured.requests * 1e6

    @property
    def cores(self) -> float:
        """How many cores the server kept busy."""
        return self.cpu_seconds / self.measured.seconds


def interleaved(ways: Mapping[str, Way], rounds: int) -> dict[str, list[Sample]]:
    """A sample a round for each way, every other round in reverse order; a warm-up comes first.

    Raises RuntimeError when a request fails: then something else would have been measured.
    """
    for way in ways.values():
        _warm(way.load)
    samples: dict[str, list[Sample]] = {name: [] for name in ways}
    with generating(generator(min(way.load.seconds for way in ways.values()))) as drive:
        for number in range(rounds):
            for name in ways if number % 2 == 0 else reversed(list(ways)):
                samples[name].append(_turn(ways[name], drive))
    return samples


def middle(samples: Sequence[Sample], of: Callable[[Sample], float], digits: int = 2) -> float:
    """The median of a figure over the rounds."""
    return round(median(map(of, samples)), digits)


def least(samples: Sequence[Sample], of: Callable[[Sample], float], digits: int = 1) -> float:
    """The least of a figure over the rounds: for processor time, which others on the machine only add to."""
    return round(min(map(of, samples)), digits)


def ratios(samples: Sequence[Sample], first: Sequence[Sample], of: Callable[[Sample], float]) -> list[float]:
    """A figure's ratio to that of `first`, in each round."""
    return [of(own) / of(other) for own, other in zip(samples, first, strict=True)]


def _warm(load: Load) -> None:
    """Enough for what is made at the first request, and for the interpreter to specialise its code."""
    parts = urlsplit(load.url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=10)) as connection:
        for _ in range(WARM_REQUESTS):
            connection.request(
                "GET" if load.body is None else "POST", parts.path, load.body, load.all_headers
            )
            connection.getresponse().read()


def _turn(way: Way, drive: Callable[[Load], Measured]) -> Sample:
    before = way.server.cpu_seconds
    measured = drive(way.load)
    if measured.failures or not measured.requests:
        raise RuntimeError(f"{way.load.url}: {measured.failures} failed, {measured.requests} answered")
    return Sample(measured, way.server.cpu_seconds - before, way.server.memory_mb)
