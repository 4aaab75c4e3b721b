"""What several tests of kit share."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from workbook_lib.kit import telemetry


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """The spans that end during the test."""
    exporter = InMemorySpanExporter()
    configured = telemetry.configure("test", "test-1", None)
    configured.add_processor(SimpleSpanProcessor(exporter))
    yield exporter
    configured.shutdown()
