"""A trace as it was recorded: spans, their order and their parents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal, TypeAlias

__all__ = ["AttributeValue", "Hop", "Protocol", "Span", "SpanEvent", "SpanKind", "SpanLink", "Trace"]

SpanKind: TypeAlias = Literal["internal", "server", "client", "producer", "consumer"]
Protocol: TypeAlias = Literal["http", "grpc", "kafka", "redis", "sql"]
AttributeValue: TypeAlias = (
    "str | int | float | bool | list[AttributeValue] | dict[str, AttributeValue] | None"
)


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something noted at a moment inside a span, for example an exception."""

    name: str
    time: datetime
    attributes: Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A span's reference to another one that is not its parent."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Span:
    """One unit of work of one service; times are Unix nanoseconds, as OpenTelemetry records them."""

    trace_id: str
    id: str
    parent_id: str | None
    service: str
    instance: str
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    failed: bool = False
    status_message: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()

    @property
    def start(self) -> datetime:
        """When the work began (UTC)."""
        return datetime.fromtimestamp(self.start_ns / 1e9, UTC)

    @property
    def duration_ms(self) -> float:
        """How long it took, in milliseconds."""
        return (self.end_ns - self.start_ns) / 1e6

    @property
    def protocol(self) -> Protocol | None:
        """What the span speaks, by OpenTelemetry's semantic conventions for attributes (old and new)."""
        database = self.first_attribute("db.system.name", "db.system")
        if database:
            return "redis" if database == "redis" else "sql"
        if self.first_attribute("messaging.system") == "kafka":
            return "kafka"
        if self.first_attribute("rpc.system.name", "rpc.system") == "grpc":
            return "grpc"
        if self.first_attribute("http.request.method", "http.method"):
            return "http"
        return None

    def first_attribute(self, *names: str) -> str:
        """The first of these attributes that the span has, as text; empty when it has none of them."""
        return next((str(self.attributes[name]) for name in names if name in self.attributes), "")


@dataclass(frozen=True, slots=True)
class Hop:
    """What one span on an expected way looks like; a part left out matches anything."""

    service: str
    kind: SpanKind | None = None
    protocol: Protocol | None = None
    name: str | None = None

    def matches(self, span: Span) -> bool:
        """Whether the span is such a hop (`name` is compared as a whole)."""
        return (
            span.service == self.service
            and self.kind in (None, span.kind)
            and self.protocol in (None, span.protocol)
            and self.name in (None, span.name)
        )

    def __str__(self) -> str:
        return " ".join(part for part in (self.service, self.protocol, self.kind, self.name) if part)


@dataclass(frozen=True)
class Trace:
    """All spans of one trace id that were found, ordered by their start."""

    id: str
    spans: tuple[Span, ...]

    @classmethod
    def of(cls, spans: Sequence[Span]) -> Trace:
        """Build a trace from spans in any order, each kept once. Raises ValueError without spans."""
        if not spans:
            raise ValueError("a trace has at least one span")
        unique = {span.id: span for span in spans}
        return cls(spans[0].trace_id, tuple(sorted(unique.values(), key=lambda s: (s.start_ns, -s.end_ns))))

    @cached_property
    def _by_id(self) -> dict[str, Span]:
        return {span.id: span for span in self.spans}

    @cached_property
    def _children(self) -> dict[str | None, list[Span]]:
        children: dict[str | None, list[Span]] = {}
        for span in self.spans:
            children.setdefault(span.parent_id if span.parent_id in self._by_id else None, []).append(span)
        return children

    @property
    def roots(self) -> list[Span]:
        """Spans whose parent was not found: one in a complete trace."""
        return self._children.get(None, [])

    @property
    def whole(self) -> bool:
        """Whether the span that began it is here, and the parent of every other one."""
        return [root.parent_id for root in self.roots] == [None]

    @property
    def root(self) -> Span:
        """The span that everything else hangs below (the earliest, when parts of the trace are missing)."""
        return self.roots[0]

    @property
    def services(self) -> list[str]:
        """Names of the services that took part, in order of appearance."""
        return list(dict.fromkeys(span.service for span in self.spans))

    @property
    def start_ns(self) -> int:
        """When the first span began."""
        return self.spans[0].start_ns

    @property
    def duration_ms(self) -> float:
        """From the first start to the last end, in milliseconds."""
        return (max(span.end_ns for span in self.spans) - self.start_ns) / 1e6

    def offset_ms(self, span: Span) -> float:
        """How long after the trace's start the span began, in milliseconds."""
        return (span.start_ns - self.start_ns) / 1e6

    def children(self, span: Span) -> list[Span]:
        """The spans directly below this one, by start."""
        return self._children.get(span.id, [])

    def parent(self, span: Span) -> Span | None:
        """The span above this one; None at the root, or when the parent was not found."""
        return self._by_id.get(span.parent_id) if span.parent_id else None

    def path(self, span: Span) -> list[Span]:
        """The way from the root down to this span, both included."""
        way = [span]
        while (above := self.parent(way[-1])) is not None:
            way.append(above)
        return way[::-1]

    def walk(self) -> Iterator[tuple[int, Span]]:
        """Every span with its depth, each parent before its children (the order of a waterfall)."""
        waiting = [(0, span) for span in reversed(self.roots)]
        while waiting:
            depth, span = waiting.pop()
            yield depth, span
            waiting.extend((depth + 1, child) for child in reversed(self.children(span)))

    def find(self, hop: Hop) -> list[Span]:
        """The spans that match, by start."""
        return [span for span in self.spans if hop.matches(span)]

    def assert_parents(self, hops: Sequence[Hop]) -> list[Span]:
        """Prove that the hops lie below one another in this order; return the spans that they are.

        Other spans may lie between two hops. Raises AssertionError that names the missing hop and shows the
        tree.
        """
        found: list[Span] = []
        longest: list[Span] = []
        if self._descend(hops, found, longest):
            return found
        missing = hops[len(longest)]
        below = f" below {longest[-1].service} {longest[-1].name!r}" if longest else ""
        raise AssertionError(f"no span [{missing}]{below}; the trace is\n{self.tree()}")

    def _descend(self, hops: Sequence[Hop], found: list[Span], longest: list[Span]) -> bool:
        if len(found) > len(longest):
            longest[:] = found
        if len(found) == len(hops):
            return True
        candidates = self._below(found[-1]) if found else self.spans
        for span in candidates:
            if hops[len(found)].matches(span):
                found.append(span)
                if self._descend(hops, found, longest):
                    return True
                found.pop()
        return False

    def _below(self, span: Span) -> list[Span]:
        below = list(self.children(span))
        for child in below:
            below.extend(self.children(child))
        return below

    def tree(self) -> str:
        """The trace as indented text: one line a span, with service, protocol, kind and duration."""
        lines = []
        for depth, span in self.walk():
            what = f"{span.protocol} {span.kind}" if span.protocol else span.kind
            sick = "  FAILED" if span.failed else ""
            lines.append(
                f"{'  ' * depth}{span.service}  {span.name}  [{what}]  {span.duration_ms:.1f} ms{sick}"
            )
        return "\n".join(lines)
