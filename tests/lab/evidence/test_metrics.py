"""A chapter can read a figure where a process offers it to Prometheus."""

import pytest
from prometheus_client import CollectorRegistry, Counter, start_http_server

from workbook_lib.lab.evidence import EvidenceError, metric


@pytest.fixture
def offered():
    registry = CollectorRegistry()
    orders = Counter("orders", "Orders.", ("service", "status"), registry=registry)
    orders.labels("gateway", "ok").inc(3)
    orders.labels("gateway", "failed").inc(2)
    orders.labels("users", "ok").inc(7)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()
    thread.join(5)


async def test_samples_with_the_labels_are_summed(offered):
    assert await metric(offered, "orders_total") == 12
    assert await metric(offered, "orders_total", service="gateway") == 5
    assert await metric(offered, "orders_total", service="gateway", status="failed") == 2


async def test_what_was_never_counted_is_zero(offered):
    assert await metric(offered, "orders_total", service="nobody") == 0
    assert await metric(offered, "no_such_metric") == 0


async def test_an_address_without_metrics_is_an_error():
    with pytest.raises(EvidenceError, match="offers no metrics"):
        await metric("http://127.0.0.1:1/metrics", "orders_total")
