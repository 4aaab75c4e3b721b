"""A trace built by hand, span by span, for tests that look at spans without a Jaeger."""

from workbook_lib.lab.evidence import AttributeValue, Span, SpanKind, Trace

HTTP: dict[str, AttributeValue] = {"http.request.method": "POST"}
GRPC: dict[str, AttributeValue] = {"rpc.system": "grpc"}
REDIS: dict[str, AttributeValue] = {"db.system.name": "redis"}
KAFKA: dict[str, AttributeValue] = {"messaging.system": "kafka", "messaging.destination.name": "user-events"}


def sql(name: str) -> dict[str, AttributeValue]:
    return {"db.system": "sqlite", "db.name": f"/run/{name}"}


class Recording:
    """Collects spans; times are milliseconds from the trace's start."""

    def __init__(self, trace_id: str = "5b" * 16) -> None:
        self.trace_id = trace_id
        self.spans: list[Span] = []

    def span(
        self,
        service: str,
        name: str,
        kind: SpanKind,
        times: tuple[float, float],
        parent: Span | None = None,
        attributes: dict[str, AttributeValue] | None = None,
        *,
        failed: bool = False,
    ) -> Span:
        start, end = (1_795_493_114_000_000_000 + round(ms * 1e6) for ms in times)
        span = Span(
            trace_id=self.trace_id,
            id=f"{len(self.spans) + 1:016x}",
            parent_id=parent.id if parent else None,
            service=service,
            instance=f"{service}-1",
            name=name,
            kind=kind,
            start_ns=start,
            end_ns=end,
            failed=failed,
            attributes=attributes or {},
        )
        self.spans.append(span)
        return span

    def trace(self) -> Trace:
        return Trace.of(self.spans)


def order_placed() -> Trace:
    """One request across five services by HTTP and gRPC, with Redis, SQL and Kafka."""
    made = Recording()
    root = made.span("gateway", "POST /users/{user_id}/orders", "server", (0, 41), None, HTTP)
    call = made.span("gateway", "POST", "client", (1, 39.7), root, HTTP)
    users = made.span("user-service", "POST /users/{user_id}/orders", "server", (2.4, 39), call, HTTP)
    made.span("user-service", "GET", "client", (3, 3.6), users, REDIS)
    made.span("user-service", "connect", "client", (3.7, 4), users, sql("users.db"))
    made.span("user-service", "SELECT users.db", "client", (4.1, 5.5), users, sql("users.db"))
    made.span("user-service", "SET", "client", (5.8, 6.3), users, REDIS)
    ask = made.span(
        "user-service", "/workbook.orders.v1.OrderService/PlaceOrder", "client", (7, 38.2), users, GRPC
    )
    orders = made.span(
        "order-service", "/workbook.orders.v1.OrderService/PlaceOrder", "server", (8, 37), ask, GRPC
    )
    take = made.span(
        "order-service", "/workbook.inventory.v1.InventoryService/Reserve", "client", (9, 21), orders, GRPC
    )
    stock = made.span(
        "inventory-service", "/workbook.inventory.v1.InventoryService/Reserve", "server", (10, 20), take, GRPC
    )
    made.span("inventory-service", "UPDATE inventory.db", "client", (12, 14), stock, sql("inventory.db"))
    made.span("order-service", "INSERT orders.db", "client", (22, 24), orders, sql("orders.db"))
    sent = made.span("order-service", "send user-events", "producer", (28, 36.7), orders, KAFKA)
    read = made.span("audit-log", "process user-events", "consumer", (37.9, 44), sent, KAFKA)
    made.span("audit-log", "INSERT audit_log.db", "client", (39, 41), read, sql("audit_log.db"), failed=True)
    return made.trace()
