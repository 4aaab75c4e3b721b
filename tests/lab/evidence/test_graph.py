"""Edges are counted from recorded spans: calls between services, and the stores that record no spans."""

import pytest

from tests.lab.recorded import HTTP, Recording, order_placed
from workbook_lib.lab.evidence import Edge, assert_edges, service_edges


def test_the_edges_of_one_request():
    assert service_edges(order_placed()) == [
        Edge("gateway", "user-service", "http"),
        Edge("user-service", "redis", "redis", 2, callee_kind="cache"),
        Edge("user-service", "users.db", "sql", callee_kind="database"),
        Edge("user-service", "order-service", "grpc"),
        Edge("order-service", "inventory-service", "grpc"),
        Edge("inventory-service", "inventory.db", "sql", callee_kind="database"),
        Edge("order-service", "orders.db", "sql", callee_kind="database"),
        Edge("order-service", "user-events", "kafka", callee_kind="topic"),
        Edge("user-events", "audit-log", "kafka", caller_kind="topic"),
        Edge("audit-log", "audit_log.db", "sql", failures=1, callee_kind="database"),
    ]


def test_calls_and_failures_add_up_over_traces():
    edges = service_edges([order_placed()] * 3)
    counted = {edge.callee: (edge.calls, edge.failures) for edge in edges}
    assert counted["redis"] == (6, 0)
    assert counted["audit_log.db"] == (3, 3)


def test_a_call_to_something_without_spans_is_drawn_by_its_address():
    made = Recording()
    root = made.span("gateway", "GET /", "server", (0, 9), None, HTTP)
    made.span(
        "gateway", "PUT", "client", (1, 2), root, {**HTTP, "server.address": "127.0.0.1", "server.port": 8500}
    )
    made.span("gateway", "GET", "client", (3, 4), root, {**HTTP, "peer.service": "billing"})
    made.span("gateway", "GET", "client", (5, 6), root, HTTP)
    assert service_edges(made.trace()) == [
        Edge("gateway", "127.0.0.1:8500", "http", callee_kind="external"),
        Edge("gateway", "billing", "http", callee_kind="external"),
    ]


def test_a_database_server_is_named_by_its_database_or_its_system():
    made = Recording()
    made.span(
        "a", "SELECT", "client", (0, 1), None, {"db.system.name": "postgresql", "db.namespace": "users"}
    )
    made.span("a", "SELECT", "client", (2, 3), None, {"db.system": "postgresql"})
    made.span("a", "SELECT", "client", (4, 5), None, {"db.system": "postgresql", "db.namespace": "a"})
    assert [edge.callee for edge in service_edges(made.trace())] == ["users", "postgresql", "a database"]


def test_work_inside_a_service_is_no_call():
    made = Recording()
    root = made.span("a", "root", "server", (0, 9), None, HTTP)
    made.span("a", "inner", "internal", (1, 2), root)
    made.span("a", "inner", "server", (3, 4), root, HTTP)
    assert service_edges(made.trace()) == []


def test_expected_edges_that_are_missing_are_listed_beside_what_was_found():
    edges = service_edges(order_placed())
    assert_edges(edges, [("gateway", "user-service", "http"), ("order-service", "user-events", "kafka")])
    with pytest.raises(
        AssertionError, match=r"no call gateway -> order-service \(grpc\); found audit-log -> "
    ):
        assert_edges(edges, [("gateway", "order-service", "grpc"), ("gateway", "user-service", "http")])


def test_an_edge_reads_as_an_arrow():
    assert str(Edge("a", "b", "grpc", 3)) == "a -> b (grpc)"
