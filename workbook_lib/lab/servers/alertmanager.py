"""Alertmanager: groups what Prometheus fires, and tells the oncall service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from workbook_lib.lab.deployment import fill_in
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.readiness import http_get
from workbook_lib.lab.servers.base import Launch, Place, Server

__all__ = ["Alertmanager"]

ONCALL_URL = "http://127.0.0.1:8087"
"""The oncall service where its well-known port is free; `lab.monitoring.notify` names another address."""


class Alertmanager(Server):
    """Ready when it says so (GET /-/ready)."""

    name = "alertmanager"
    title = "Alertmanager"
    variables: ClassVar = ("ALERTMANAGER_URL",)
    ports: ClassVar = (PortRequest("http", 9093),)

    def launch(self, place: Place) -> Launch:
        """One instance without peers; silences and notification log in the run's folder."""
        config = place.folder / "alertmanager.yml"
        config.write_text(fill_in("alertmanager/alertmanager.yml", {"oncall": ONCALL_URL}))
        return Launch(
            [
                str(place.program),
                f"--config.file={config}",
                f"--storage.path={place.folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{place.ports['http']}",
                "--cluster.listen-address=",
            ]
        )

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """ALERTMANAGER_URL."""
        return {"ALERTMANAGER_URL": f"http://127.0.0.1:{ports['http']}"}

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """It is ready to take alerts."""
        status, _ = await http_get(f"{environment['ALERTMANAGER_URL'].rstrip('/')}/-/ready")
        return None if status == 200 else f"/-/ready says {status}"
