"""The log shipper, a process of its own: what ships the logs of others must not stop with them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings
from workbook_lib.lab.shipping.cold import ColdSink
from workbook_lib.lab.shipping.pump import Pump, PumpMetrics
from workbook_lib.lab.shipping.store import StoreSink

__all__ = ["NAME", "ShipperSettings", "build"]

NAME = "log-shipper"


class ShipperSettings(ServiceSettings):
    """What the shipper can be told."""

    model_config = SettingsConfigDict(env_prefix="SHIPPER_")

    service: str = NAME
    port: int = 9429
    logs: Path = Field(default=Path(), description="folder whose *.log files are shipped")
    store_url: str = Field(default="http://127.0.0.1:9428", description="base URL of the store")
    state: Path = Field(default=Path("shipper"), description="folder for positions and the cold backup")
    rotate_bytes: int = Field(default=10_000_000, ge=1, description="size at which a cold file is sealed")
    keep_seconds: float = Field(
        default=10, ge=0, description="after its answer, time until the store has records on disk"
    )


def build(settings: ShipperSettings) -> Service:
    """The service, not started."""
    service = Service(settings, title="Log shipper")
    settings.state.mkdir(parents=True, exist_ok=True)
    metrics = PumpMetrics(service.metrics.registry)
    sinks = (
        StoreSink(
            settings.store_url, settings.state / "store-positions.json", keep_seconds=settings.keep_seconds
        ),
        ColdSink(settings.state / "cold", rotate_bytes=settings.rotate_bytes),
    )
    for sink in sinks:
        # Its own log is left out: a line about shipping would be shipped, and so on.
        pump = Pump(settings.logs, sink, metrics, leave_out=frozenset({f"{NAME}.log"}))
        service.add_resource(pump, f"pump-{sink.name}")
    return service
