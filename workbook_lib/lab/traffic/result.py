"""What came back from load: every request with its start, its latency and its status."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["LoadResult", "Sample"]


class Sample(NamedTuple):
    """One request. `status` is 0 when no answer came; `label` is what the plan's header said of it."""

    start_seconds: float
    latency_ms: float
    status: int
    label: str = ""

    @property
    def ok(self) -> bool:
        """Whether an answer below 400 came."""
        return 0 < self.status < 400


@dataclass(frozen=True)
class LoadResult:
    """All requests of one load.

    `timeline` holds each request by its start (seconds since the load began; in the open model the *intended*
    start). `reasons` counts why requests failed.
    """

    what: str
    seconds: float
    timeline: tuple[Sample, ...]
    reasons: Mapping[str, int]

    @classmethod
    def from_wire(cls, what: str, answer: Mapping[str, Any]) -> LoadResult:
        """Read what the traffic process reports (columns, one entry a request)."""
        labels = answer.get("label") or [""] * len(answer["status"])
        columns = zip(answer["start_seconds"], answer["latency_ms"], answer["status"], labels, strict=True)
        return cls(what, answer["seconds"], tuple(sorted(map(Sample._make, columns))), answer["reasons"])

    @classmethod
    def merged(cls, results: Iterable[LoadResult], what: str = "together") -> LoadResult:
        """Loads that were sent together, as one."""
        each = list(results)
        timeline = sorted(sample for result in each for sample in result.timeline)
        reasons: Counter[str] = Counter()
        for result in each:
            reasons.update(result.reasons)
        return cls(what, max(result.seconds for result in each), tuple(timeline), dict(reasons))

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return len(self.timeline)

    @property
    def failures(self) -> int:
        """How many of them got no answer, or one of 400 and above."""
        return sum(not sample.ok for sample in self.timeline)

    @property
    def latencies_ms(self) -> list[float]:
        """Latencies of the successful requests, ascending: a quick failure must not flatter the figures."""
        return sorted(sample.latency_ms for sample in self.timeline if sample.ok)

    @property
    def statuses(self) -> dict[int, int]:
        """How often each status came; 0 stands for no answer."""
        return dict(sorted(Counter(sample.status for sample in self.timeline).items()))

    @property
    def throughput(self) -> float:
        """Successful requests a second, until the last answer."""
        return (self.requests - self.failures) / self.seconds if self.seconds else 0.0

    @property
    def mean_ms(self) -> float:
        """Mean latency of the successful requests; NaN without any."""
        latencies = self.latencies_ms
        return sum(latencies) / len(latencies) if latencies else math.nan

    def percentile(self, percent: float) -> float:
        """The latency (ms) that `percent` of the successful requests didn't exceed; NaN without any.

        Nearest rank, so always one that was measured. Raises ValueError outside 0 < percent ≤ 100.
        """
        if not 0 < percent <= 100:
            raise ValueError(f"a percentile lies above 0 and up to 100, not at {percent}")
        latencies = self.latencies_ms
        return latencies[math.ceil(percent / 100 * len(latencies)) - 1] if latencies else math.nan

    def summary(self) -> dict[str, float | int]:
        """The figures of a comparison's row."""
        return {
            "requests": self.requests,
            "failures": self.failures,
            "requests/s": round(self.throughput, 1),
            "p50 ms": round(self.percentile(50), 2),
            "p95 ms": round(self.percentile(95), 2),
            "p99 ms": round(self.percentile(99), 2),
        }

    def __repr__(self) -> str:
        parts = [
            f"{self.requests:,} requests, {self.what}, in {self.seconds:.1f} s: {self.throughput:,.1f}/s"
        ]
        parts.append(f"{self.failures:,} failures")
        if self.failures < self.requests:
            parts.append("latency ms " + ", ".join(f"p{p} {self.percentile(p):.1f}" for p in (50, 95, 99)))
        if self.reasons:
            parts.append(
                "failed: " + "; ".join(f"{count} x {reason}" for reason, count in self.reasons.items())
            )
        return ", ".join(parts)
