"""What /metrics says, and to whom."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings

OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def service() -> Service:
    service = Service(ServiceSettings(service="demo"), title="Demo")

    @service.app.get("/thing")
    async def thing() -> str:
        return "a thing"

    return service


async def exemplars(client) -> list[dict[str, str]]:
    answer = await client.get("/metrics", headers=OPENMETRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    return [
        dict(sample.exemplar.labels)
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.exemplar
    ]


async def test_a_bucket_remembers_a_trace_that_fell_into_it(service, calling, spans):
    async with calling(service) as client:
        await client.get("/thing", headers={"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"})
        (exemplar,) = await exemplars(client)
    (span,) = spans.get_finished_spans()
    assert exemplar == {"trace_id": TRACE_ID, "span_id": f"{span.context.span_id:016x}"}


async def test_a_trace_that_nobody_can_look_up_is_no_exemplar(service, calling, spans):
    async with calling(service) as client:
        await client.get("/thing", headers={"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-00"})
        assert await exemplars(client) == []


async def test_who_does_not_ask_for_openmetrics_gets_prometheus_text_without_exemplars(
    service, calling, spans
):
    async with calling(service) as client:
        await client.get("/thing")
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "trace_id" not in answer.text
    assert 'http_request_duration_seconds_count{method="GET",route="/thing"} 1.0' in answer.text.splitlines()


async def test_a_busy_bucket_remembers_one_trace_now_and_then(service, calling, spans):
    """An exemplar costs five times what the count does; only the last before a scrape is ever seen."""
    async with calling(service) as client:
        kept = set()
        for _ in range(30):
            await client.get("/thing")
            kept |= {exemplar["trace_id"] for exemplar in await exemplars(client)}
    assert 1 <= len(kept) < 30
