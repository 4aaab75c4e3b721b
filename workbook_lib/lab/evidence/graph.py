"""Who calls whom, computed from recorded spans: services, and the stores and topics that they use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, TypeAlias

from workbook_lib.lab.evidence.spans import Protocol, Span, Trace

__all__ = ["Edge", "NodeKind", "assert_edges", "service_edges"]

NodeKind: TypeAlias = Literal["service", "database", "cache", "topic", "external"]


@dataclass(frozen=True, slots=True)
class Edge:
    """Calls from one node of the system to another, over one protocol."""

    caller: str
    callee: str
    protocol: Protocol
    calls: int = 1
    failures: int = 0
    caller_kind: NodeKind = "service"
    callee_kind: NodeKind = "service"

    def __str__(self) -> str:
        return f"{self.caller} -> {self.callee} ({self.protocol})"


def service_edges(traces: Trace | Iterable[Trace]) -> list[Edge]:
    """Count the calls in the traces.

    A call between services is a server span below a client span. Databases, caches and topics record no
    spans, so they are taken from their client's side (`db.*` and `messaging.*` attributes); a topic stands
    between those who write to it and those who read it.
    """
    calls: Counter[Edge] = Counter()
    failures: Counter[Edge] = Counter()
    for trace in [traces] if isinstance(traces, Trace) else traces:
        for edge, span in _calls(trace):
            calls[edge] += 1
            failures[edge] += span.failed
    return [
        Edge(e.caller, e.callee, e.protocol, count, failures[e], e.caller_kind, e.callee_kind)
        for e, count in calls.items()
    ]


def assert_edges(edges: Iterable[Edge], expected: Iterable[tuple[str, str, Protocol]]) -> None:
    """Prove that every expected (caller, callee, protocol) is among the edges.

    Raises AssertionError that lists what is missing and what was found.
    """
    found = {(edge.caller, edge.callee, edge.protocol) for edge in edges}
    missing = [edge for edge in expected if edge not in found]
    if missing:
        raise AssertionError(
            "no call "
            + ", ".join(f"{a} -> {b} ({p})" for a, b, p in missing)
            + "; found "
            + (", ".join(f"{a} -> {b} ({p})" for a, b, p in sorted(found)) or "none")
        )


def _calls(trace: Trace) -> Iterator[tuple[Edge, Span]]:
    for span in trace.spans:
        edge = _EDGES[span.kind](trace, span) if span.kind in _EDGES else None
        if edge is not None:
            yield edge, span


def _into_service(trace: Trace, span: Span) -> Edge | None:
    caller = trace.parent(span)
    protocol = span.protocol or (caller.protocol if caller else None)
    if caller is None or protocol is None or (caller.service == span.service and caller.kind != "client"):
        return None
    return Edge(caller.service, span.service, protocol)


def _into_store(trace: Trace, span: Span) -> Edge | None:
    if any(child.kind == "server" for child in trace.children(span)):
        return None  # counted from the server's side
    if span.protocol == "redis":
        return Edge(span.service, "redis", "redis", callee_kind="cache")
    if span.protocol == "sql":
        # Opening a pooled connection is recorded like a statement, but asks nothing of the database.
        return (
            None
            if span.name == "connect"
            else Edge(span.service, _database(span), "sql", callee_kind="database")
        )
    address = span.first_attribute("peer.service", "server.address", "net.peer.name")
    if span.protocol is None or not address:
        return None
    port = span.first_attribute("server.port", "net.peer.port")
    peer = f"{address}:{port}" if port and not span.first_attribute("peer.service") else address
    return Edge(span.service, peer, span.protocol, callee_kind="external")


def _into_topic(_: Trace, span: Span) -> Edge | None:
    topic = span.first_attribute("messaging.destination.name", "messaging.destination")
    return Edge(span.service, topic, "kafka", callee_kind="topic") if topic else None


def _from_topic(_: Trace, span: Span) -> Edge | None:
    topic = span.first_attribute("messaging.destination.name", "messaging.destination")
    return Edge(topic, span.service, "kafka", caller_kind="topic") if topic else None


def _database(span: Span) -> str:
    system = span.first_attribute("db.system.name", "db.system")
    name = span.first_attribute("db.namespace", "db.name")
    database = PurePath(name).name or system  # SQLite's database is a file
    return f"{database} database" if database == span.service else database


_EDGES = {"server": _into_service, "client": _into_store, "producer": _into_topic, "consumer": _from_topic}
