"""A trace keeps its order and its parents, and says what is missing."""

import random

import pytest

from tests.lab.recorded import GRPC, HTTP, KAFKA, REDIS, Recording, order_placed, sql
from workbook_lib.lab.evidence import Hop, Trace


def test_spans_are_ordered_by_start_and_kept_once():
    spans = list(order_placed().spans)
    shuffled = [*spans, spans[3]]
    random.Random(7).shuffle(shuffled)
    assert Trace.of(shuffled).spans == tuple(spans)


def test_a_trace_without_spans_is_refused():
    with pytest.raises(ValueError, match="at least one span"):
        Trace.of([])


def test_root_services_and_duration():
    trace = order_placed()
    assert trace.root.service == "gateway"
    assert trace.roots == [trace.root]
    assert trace.services == ["gateway", "user-service", "order-service", "inventory-service", "audit-log"]
    assert trace.duration_ms == 44.0
    assert trace.root.duration_ms == 41.0
    assert trace.root.start.isoformat() == "2026-11-24T04:05:14+00:00"
    assert trace.offset_ms(trace.find(Hop("audit-log", "consumer"))[0]) == 37.9


def test_children_parent_and_path():
    trace = order_placed()
    call = trace.children(trace.root)[0]
    assert (call.name, call.kind) == ("POST", "client")
    assert trace.parent(call) == trace.root
    assert trace.parent(trace.root) is None
    audit = trace.find(Hop("audit-log", name="INSERT audit_log.db"))[0]
    way = [span.service for span in trace.path(audit)]
    assert way == ["gateway"] * 2 + ["user-service"] * 2 + ["order-service"] * 2 + ["audit-log"] * 2


def test_walk_gives_each_parent_before_its_children():
    made = Recording()
    root = made.span("a", "root", "server", (0, 9))
    second = made.span("a", "second", "internal", (4, 8), root)
    made.span("a", "first", "internal", (1, 3), root)
    made.span("a", "below second", "internal", (5, 6), second)
    walked = [(depth, span.name) for depth, span in made.trace().walk()]
    assert walked == [(0, "root"), (1, "first"), (1, "second"), (2, "below second")]


def test_a_span_whose_parent_has_not_arrived_is_a_root_of_its_own():
    made = Recording()
    lost = Recording().span("a", "lost", "server", (0, 1))
    made.span("b", "one", "server", (0, 1))
    made.spans.append(
        made.spans[0].__class__(**{**_fields(made.spans[0]), "id": "f" * 16, "parent_id": lost.id[::-1]})
    )
    assert len(made.trace().roots) == 2
    assert not made.trace().whole


def test_a_trace_is_whole_when_only_its_beginning_has_no_parent():
    made = Recording()
    root = made.span("a", "root", "client", (0, 9))
    below = made.span("b", "below", "server", (1, 8), root)
    assert made.trace().whole
    assert not Trace.of([below]).whole, "its parent is known by id only"


def _fields(span):
    return {name: getattr(span, name) for name in span.__dataclass_fields__}


@pytest.mark.parametrize(
    ("attributes", "protocol"),
    [
        (HTTP, "http"),
        ({"http.method": "GET"}, "http"),
        (GRPC, "grpc"),
        ({"rpc.system.name": "grpc"}, "grpc"),
        (KAFKA, "kafka"),
        (REDIS, "redis"),
        ({"db.system": "redis"}, "redis"),
        (sql("users.db"), "sql"),
        ({"db.system.name": "postgresql"}, "sql"),
        ({}, None),
    ],
)
def test_the_protocol_is_read_from_old_and_new_semantic_conventions(attributes, protocol):
    assert Recording().span("a", "x", "client", (0, 1), None, attributes).protocol == protocol


def test_a_hop_matches_by_each_part_that_it_names():
    span = Recording().span("a", "GET", "client", (0, 1), None, REDIS)
    assert Hop("a", "client", "redis", "GET").matches(span)
    assert Hop("a").matches(span)
    wrong = [Hop("b"), Hop("a", "server"), Hop("a", protocol="http"), Hop("a", name="SET")]
    assert not any(hop.matches(span) for hop in wrong)


def test_the_first_attribute_that_is_there_counts():
    span = Recording().span("a", "x", "client", (0, 1), None, {"server.port": 8500, "db.name": "users"})
    assert span.first_attribute("server.port", "net.peer.port") == "8500"
    assert span.first_attribute("db.namespace", "db.name") == "users"
    assert span.first_attribute("peer.service") == ""


def test_assert_parents_returns_the_spans_of_the_way():
    way = [
        Hop("gateway", "server", "http"),
        Hop("user-service", "server", "http"),
        Hop("order-service", "server", "grpc"),
        Hop("inventory-service", "server", "grpc"),
    ]
    assert [span.service for span in order_placed().assert_parents(way)] == [hop.service for hop in way]


def test_assert_parents_tries_every_span_that_matches_a_hop():
    made = Recording()
    root = made.span("a", "root", "server", (0, 9))
    made.span("b", "call", "server", (1, 2), root)
    second = made.span("b", "call", "server", (3, 8), root)
    made.span("c", "end", "server", (4, 5), second)
    assert made.trace().assert_parents([Hop("a"), Hop("b"), Hop("c")])[1] == second


def test_assert_parents_names_the_missing_hop_and_shows_the_tree():
    with pytest.raises(AssertionError) as failure:
        order_placed().assert_parents(
            [Hop("order-service", "server", "grpc"), Hop("user-service", "server", "http")]
        )
    message = str(failure.value)
    assert "no span [user-service http server] below order-service" in message
    assert "  gateway  POST  [http client]  38.7 ms" in message


def test_the_tree_tells_service_protocol_kind_duration_and_failure():
    lines = order_placed().tree().splitlines()
    assert lines[0] == "gateway  POST /users/{user_id}/orders  [http server]  41.0 ms"
    assert lines[-1] == " " * 14 + "audit-log  INSERT audit_log.db  [sql client]  2.0 ms  FAILED"
