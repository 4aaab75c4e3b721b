"""Jaeger as the OpenTelemetry Collector that it is: what its pipelines keep, count and point to."""

import asyncio
import time
import uuid

import httpx2
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from workbook_lib.lab import Lab, LabError, collector
from workbook_lib.lab.collector import Pipeline
from workbook_lib.lab.evidence import Jaeger, Prometheus, Trace, eventually, metric

pytestmark = pytest.mark.server

CALLS = "traces_span_metrics_calls_total"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory):
    lab = Lab("collector-test", root=tmp_path_factory.mktemp("collector"))
    asyncio.run(lab.start("jaeger", "prometheus", "consul", "welcome"))
    yield lab
    asyncio.run(lab.stop())


@pytest.fixture
def jaeger(lab: Lab) -> Jaeger:
    return Jaeger(lab.environment["JAEGER_QUERY_URL"])


def send(lab: Lab, *, seconds: float = 0.01, failed: bool = False, tenant: str = "", service: str) -> str:
    """A trace of one span that is over already; its id."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{lab.environment['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    now = time.time_ns()
    span = provider.get_tracer("tests").start_span(
        "work", kind=SpanKind.SERVER, start_time=now - int(seconds * 1e9)
    )
    if failed:
        span.set_status(StatusCode.ERROR)
    if tenant:
        span.set_attribute("tenant.id", tenant)
    span.end(now)
    return f"{span.get_span_context().trace_id:032x}"


async def test_the_exemplar_of_a_services_histogram_leads_to_its_trace(lab, jaeger):
    prometheus = Prometheus(lab.environment["PROMETHEUS_URL"])
    async with httpx2.AsyncClient(base_url=lab["welcome"].url, trust_env=False) as client:

        async def followed() -> Trace | None:
            """The trace of an exemplar that is as long as it says: one may differ, by a pause in between."""
            await client.get("/no-such-page")
            buckets = 'http_request_duration_seconds_bucket{service="welcome"}'
            for exemplar in await prometheus.exemplars(buckets):
                trace = await jaeger.trace(exemplar.trace_id, until=lambda trace: trace.whole)
                if abs(trace.root.duration_ms / 1000 - exemplar.value) < exemplar.value < 5:
                    return trace
            return None

        trace = await eventually(followed, timeout_seconds=60)
    assert trace.services == ["welcome"]


async def test_spans_become_metrics_by_tenant_that_remember_traces_too(lab, jaeger):
    service = f"counted-{uuid.uuid4().hex[:8]}"
    prometheus = Prometheus(lab.environment["PROMETHEUS_URL"])
    sent = {send(lab, seconds=3, service=service, tenant=tenant) for tenant in ("acme", "acme", "")}

    async def counted() -> bool:
        all_calls = await prometheus.value(f'{CALLS}{{service_name="{service}"}}')
        acmes = await prometheus.value(f'{CALLS}{{service_name="{service}",tenant_id="acme"}}')
        return (all_calls, acmes) == (3, 2)

    async def remembered() -> set[str]:
        # Offered until the collector's next flush only, which a scrape may miss.
        sent.add(send(lab, seconds=3, service=service))
        name = "traces_span_metrics_duration_milliseconds_bucket"
        found = await prometheus.exemplars(f'{name}{{service_name="{service}"}}')
        return {exemplar.trace_id for exemplar in found}

    assert await eventually(counted, timeout_seconds=60)
    assert await eventually(remembered, timeout_seconds=60) <= sent


async def test_a_tail_sampler_keeps_what_failed_or_was_slow_and_counts_the_rest(lab, jaeger):
    await collector.configure(lab["jaeger"], "tail_sampling")
    service = f"kept-{uuid.uuid4().hex[:8]}"
    wanted = {send(lab, failed=True, service=service), send(lab, seconds=0.5, service=service)}
    others = {send(lab, service=service) for _ in range(60)}
    counted = f"{lab.environment['COLLECTOR_METRICS_URL']}"

    async def all_counted() -> bool:
        return await metric(counted, CALLS, service_name=service) == 62

    async def kept() -> set[str]:
        found = {trace.id for trace in await jaeger.traces(service)}
        return found if wanted <= found else set()

    assert await eventually(all_counted, timeout_seconds=30)
    found = await eventually(kept, timeout_seconds=30)
    assert found - wanted <= others
    assert len(found) < 30, "one in ten of sixty, give or take"


async def test_a_configuration_comes_into_force_and_its_pipelines_can_be_read(lab, jaeger):
    await collector.configure(lab["jaeger"], "tail_sampling")
    assert collector.pipelines(lab["jaeger"]) == [
        Pipeline("traces/counted", ("otlp",), (), ("spanmetrics",)),
        Pipeline("traces/kept", ("otlp",), ("tail_sampling",), ("jaeger_storage_exporter",)),
        Pipeline("metrics", ("spanmetrics",), (), ("prometheus",)),
    ]
    await collector.configure(lab["jaeger"], "all")
    service = f"after-{uuid.uuid4().hex[:8]}"
    trace_id = send(lab, service=service)
    assert (await jaeger.trace(trace_id, until=lambda trace: trace.whole)).services == [service]
    with pytest.raises(LabError, match=r"all\.yaml"):
        await collector.configure(lab["jaeger"], "none")
