"""A tenant is whom the API key says, whatever baggage a caller brings, and everybody behind learns it."""

import contextlib
import hashlib
import json

import httpx2
import pytest
from opentelemetry import baggage
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import ValidationError

from services.gateway.app import build
from services.gateway.settings import GatewaySettings
from tests.services.gateway.conftest import NO_REDIS
from workbook_lib.kit import logs, telemetry
from workbook_lib.kit.tenant import TENANT_ATTRIBUTE, current_tenant

KEY = "k-7Zt0wq5pX2mVb9"
KNOWN = {hashlib.sha256(KEY.encode()).hexdigest(): "acme"}


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    running = telemetry.configure("gateway", "gateway-1", None)
    running.add_processor(SimpleSpanProcessor(exporter))
    yield exporter
    running.shutdown()


@contextlib.asynccontextmanager
async def asking(**settings):
    """A client of a gateway that tells on whose behalf it works; nothing is behind it."""
    service = build(GatewaySettings(redis_url=NO_REDIS, **settings))

    @service.app.get("/whose")
    async def whose() -> list[str]:
        logs.get_logger("test").info("asked")
        return [current_tenant(), *baggage.get_all()]

    transport = httpx2.ASGITransport(service.app)
    async with service, httpx2.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


async def test_everything_that_a_request_leads_to_is_its_tenants(spans, capsys):
    logs.configure("gateway", "gateway-1", form="json")
    async with asking(tenant_keys=KNOWN) as client:
        answer = await client.get("/whose", headers={"X-Api-Key": KEY})
        metrics = (await client.get("/metrics")).text
    assert answer.json() == ["acme", "tenant"]
    assert 'http_tenant_requests_total{tenant="acme"} 1.0' in metrics.splitlines()
    (span,) = spans.get_finished_spans()
    assert span.attributes[TENANT_ATTRIBUTE] == "acme"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["event"]: line.get("tenant") for line in lines} == {"asked": "acme", "request": "acme"}


async def test_without_a_key_a_request_is_for_nobody_whatever_baggage_it_brings(spans):
    async with asking(tenant_keys=KNOWN) as client:
        answer = await client.get("/whose", headers={"baggage": "tenant=acme,role=admin"})
        metrics = (await client.get("/metrics")).text
    assert answer.json() == [""]
    assert "tenant=" not in metrics
    assert TENANT_ATTRIBUTE not in spans.get_finished_spans()[0].attributes


async def test_an_unknown_key_is_refused():
    async with asking(tenant_keys=KNOWN) as client:
        answer = await client.get("/whose", headers={"X-Api-Key": "guessed"})
    assert (answer.status_code, answer.json()["code"]) == (401, 40101)


async def test_baggage_is_taken_over_where_it_is_configured():
    async with asking(trust_baggage=True) as client:
        answer = await client.get("/whose", headers={"baggage": "tenant=acme"})
    assert answer.json() == ["acme", "tenant"]


@pytest.mark.parametrize("keys", [{KEY: "acme"}, {"0" * 64: "Acme Ltd"}, {"0" * 64: ""}])
def test_a_key_in_clear_and_a_name_that_is_no_tenant_are_refused(keys):
    with pytest.raises(ValidationError, match="tenant_keys"):
        GatewaySettings(tenant_keys=keys)
