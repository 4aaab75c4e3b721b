"""Jaeger 2: takes spans by OTLP, keeps them in memory, answers queries.

It is an OpenTelemetry Collector too: its pipelines are those of a file in `deploy/jaeger`; one of them counts
the spans and offers the metrics to Prometheus. See `lab.collector`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from workbook_lib.lab.deployment import fill_in
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.readiness import http_get
from workbook_lib.lab.servers.base import Launch, Place, Server

__all__ = ["CONFIGURATION", "GENERATION_HEADER", "Jaeger", "write_configuration"]

CONFIGURATION: Final = "jaeger.yaml"
GENERATION_HEADER: Final = "X-Configuration"


class Jaeger(Server):
    """Ready when its query API answers and its OTLP receiver listens.

    It starts with `deploy/jaeger/all.yaml`: every span is kept. COLLECTOR_METRICS_URL is where Prometheus
    scrapes the metrics that are made from spans.
    """

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
        config = place.folder / CONFIGURATION
        config.write_text(write_configuration("all", place.ports, "0"))
        metrics = f"http://127.0.0.1:{place.ports['prometheus']}/metrics"
        return Launch(
            [str(place.program), "--config", str(config)], environment={"COLLECTOR_METRICS_URL": metrics}
        )

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


def write_configuration(name: str, ports: Mapping[str, int], generation: str) -> str:
    """`deploy/jaeger/<name>.yaml`, filled in. Its receiver answers with `generation` in a header.

    Raises `LabError`.
    """
    return fill_in(f"jaeger/{name}.yaml", {**ports, "generation": generation})
