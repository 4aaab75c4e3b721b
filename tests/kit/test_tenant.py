"""The tenant's form, and where it shows."""

import pytest
from opentelemetry import baggage, context
from opentelemetry.context import Context

from workbook_lib.kit import telemetry
from workbook_lib.kit.service import Service
from workbook_lib.kit.service.metrics import Metrics
from workbook_lib.kit.service.requests import Answered
from workbook_lib.kit.settings import ServiceSettings
from workbook_lib.kit.tenant import TENANT_ATTRIBUTE, TenantOnSpans, current_tenant, with_tenant


@pytest.fixture
def blue():
    token = context.attach(with_tenant("blue"))
    yield
    context.detach(token)


@pytest.mark.parametrize("name", ["", "Blue", "blue sky", "-blue", "b" * 33, "blue\n", "blau✓"])
def test_a_name_of_another_form_is_refused_and_one_that_comes_is_none(name):
    """It becomes a label, a log field and an attribute: bounded, and of few characters."""
    with pytest.raises(ValueError, match="tenant"):
        with_tenant(name)
    assert current_tenant(baggage.set_baggage("tenant", name, Context())) == ""


def test_the_tenant_of_a_context():
    assert current_tenant() == ""
    assert current_tenant(with_tenant("blue-2", Context())) == "blue-2"


def test_every_span_has_it_whoever_makes_it(blue, spans):
    with telemetry.tracer().start_as_current_span("the SDK's"):
        telemetry.start_server_span("ours", context.get_current(), {}).end()
    telemetry.start_server_span("nobody's", Context(), {}).end()
    shown = {span.name: span.attributes.get(TENANT_ATTRIBUTE) for span in spans.get_finished_spans()}
    assert shown == {"the SDK's": "blue", "ours": "blue", "nobody's": None}
    assert TenantOnSpans().force_flush()


async def test_a_service_behind_takes_over_the_tenant_of_its_caller(calling):
    service = Service(ServiceSettings(), title="Behind")

    @service.app.get("/whose")
    async def whose() -> str:
        return current_tenant()

    async with calling(service) as client:
        answer = await client.get("/whose", headers={"baggage": "tenant=blue"})
        metrics = (await client.get("/metrics")).text
    assert answer.json() == "blue"
    assert 'http_tenant_requests_total{tenant="blue"} 1.0' in metrics.splitlines()


def test_tenants_beyond_a_bound_share_one_series():
    metrics = Metrics()
    for number in range(300):
        token = context.attach(with_tenant(f"t{number}"))
        metrics.observe(Answered({"method": "GET"}, "/x", 200, 0.001))
        context.detach(token)
    counted = {
        sample.labels["tenant"]: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "http_tenant_requests_total"
    }
    assert (len(counted), counted["t0"], counted["further"]) == (201, 1, 100)
