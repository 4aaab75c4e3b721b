"""Jaeger 2: takes spans by OTLP, keeps them in memory, answers queries.

It is an OpenTelemetry Collector too: a second pipeline counts the spans and offers the metrics to Prometheus.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.readiness import http_get
from workbook_lib.lab.servers.base import Launch, Place, Server

__all__ = ["Jaeger"]

CONFIG = """\
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [jaeger_storage_exporter, spanmetrics]
    metrics:
      receivers: [spanmetrics]
      exporters: [prometheus]
  telemetry:
    metrics:
      level: none
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{otlp_grpc}"}}
      http: {{endpoint: "127.0.0.1:{otlp_http}"}}
exporters:
  jaeger_storage_exporter:
    trace_storage: memory
  prometheus: {{endpoint: "127.0.0.1:{prometheus}"}}
connectors:
  spanmetrics: {{metrics_flush_interval: 1s}}
extensions:
  jaeger_storage:
    backends:
      memory:
        memory: {{max_traces: 50000}}
  jaeger_query:
    storage:
      traces: memory
    enable_tracing: false  # its own spans would delay its end
    http: {{endpoint: "127.0.0.1:{query}"}}
    grpc: {{endpoint: "127.0.0.1:{query_grpc}"}}
"""


class Jaeger(Server):
    """Ready when its query API answers and its OTLP receiver listens."""

    name = "jaeger"
    title = "Jaeger"
    variables: ClassVar = ("JAEGER_QUERY_URL", "OTEL_EXPORTER_OTLP_ENDPOINT")
    ports: ClassVar = (
        PortRequest("query", 16686),
        PortRequest("otlp_http", 4318),
        PortRequest("otlp_grpc", 4317),
        PortRequest("query_grpc", 16685),
        PortRequest("prometheus", 8889),
    )

    def launch(self, place: Place) -> Launch:
        """No ports but those given, so that two can run side by side."""
        config = place.folder / "jaeger.yaml"
        config.write_text(CONFIG.format(**place.ports))
        return Launch([str(place.program), "--config", str(config)])

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """JAEGER_QUERY_URL for readers, OTEL_EXPORTER_OTLP_ENDPOINT (OTLP over HTTP) for services."""
        return {
            "JAEGER_QUERY_URL": f"http://127.0.0.1:{ports['query']}",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{ports['otlp_http']}",
        }

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """The query API answers. The collector opens its receivers last, so those are asked too."""
        status, _ = await http_get(f"{environment['JAEGER_QUERY_URL'].rstrip('/')}/api/services")
        if status != 200:
            return f"the query API answers with HTTP {status}"
        # Any HTTP answer will do: a GET is refused with 405 by a receiver that is up.
        await http_get(f"{environment['OTEL_EXPORTER_OTLP_ENDPOINT'].rstrip('/')}/v1/traces")
        return None
