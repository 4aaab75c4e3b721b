"""Where the time of requests went: what each service took itself, and what was lost on the way to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workbook_lib.lab.evidence.spans import Span, Trace

__all__ = ["SelfTime", "self_times"]


@dataclass(frozen=True)
class SelfTime:
    """The time of one service, in milliseconds a trace.

    `own_ms` is the time of its spans that is no child's; `stores_ms` that of its calls to what makes no spans
    of its own (a database, Redis, Kafka); `way_ms` what its callers waited for it beyond the time in which it
    was at work: the network, a queue in front of it.
    """

    service: str
    own_ms: float
    stores_ms: float
    way_ms: float

    @property
    def total_ms(self) -> float:
        """All that would be saved without this service."""
        return self.own_ms + self.stores_ms + self.way_ms


def self_times(traces: Iterable[Trace]) -> list[SelfTime]:
    """The self times of all services in these traces, the largest total first.

    Their sum is the duration of a request: every moment of it counts once, for the deepest span that was at
    work then. Where several are at once, all count, and so does work after the answer (a message's consumer).
    """
    spent: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("own", "stores", "way"), 0))
    count = 0
    for trace in traces:
        count += 1
        for span in trace.spans:
            service, kind = _whose(span, trace.children(span))
            spent[service][kind] += _uncovered_ns(span, trace.children(span))
    found = [
        SelfTime(service, *(each[kind] / 1e6 / count for kind in ("own", "stores", "way")))
        for service, each in spent.items()
    ]
    return sorted(found, key=lambda time: time.total_ms, reverse=True)


def _whose(span: Span, children: Sequence[Span]) -> tuple[str, str]:
    """Whom the span's own time is put down to: a call's to the one that is called."""
    if span.kind in ("client", "producer"):
        called = next((child.service for child in children if child.service != span.service), None)
        if called is None:
            return span.service, "stores"
        if span.kind == "client":
            return called, "way"
        return span.service, "stores"
    return span.service, "own"


def _uncovered_ns(span: Span, children: Sequence[Span]) -> int:
    """How much of the span no child was at work in."""
    covered, until = 0, span.start_ns
    for child in sorted(children, key=lambda each: each.start_ns):
        start, end = max(child.start_ns, until), min(child.end_ns, span.end_ns)
        if end > start:
            covered += end - start
            until = end
    return max(0, span.end_ns - span.start_ns - covered)
