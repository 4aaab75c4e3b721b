"""HashiCorp Consul: one agent in development mode, server and client in one, nothing kept on disk.

A user's own Consul may have its DNS port in CONSUL_DNS_ADDR (host:port); what asks by DNS needs it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from workbook_lib.lab.jupyter import behind_jupyter
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.readiness import http_get
from workbook_lib.lab.servers.base import Launch, Place, Server

__all__ = ["DNS_VARIABLE", "Consul"]

DNS_VARIABLE: Final = "CONSUL_DNS_ADDR"
UI_SCRIPT: Final = Path(__file__).with_name("consul_ui.js")


class Consul(Server):
    """Ready when it has a leader (GET /v1/status/leader)."""

    name = "consul"
    title = "Consul"
    variables: ClassVar[tuple[str, ...]] = ("CONSUL_HTTP_ADDR",)
    ports: ClassVar = (
        PortRequest("http", 8500),
        PortRequest("dns", 8600, udp=True),
        PortRequest("server", 8300),
        PortRequest("serf_lan", 8301, udp=True),
    )

    def launch(self, place: Place) -> Launch:
        """Everything on loopback; the ports that a single node doesn't need are off."""
        ports = {"grpc": -1, "grpc_tls": -1, "https": -1, "serf_wan": -1, **place.ports}
        config = place.folder / "consul.json"
        config.write_text(
            json.dumps(
                {
                    "bind_addr": "127.0.0.1",
                    "client_addr": "127.0.0.1",
                    "node_name": "workbook",
                    "ports": ports,
                    "ui_config": _ui(place.ports["http"]),
                    "disable_update_check": True,
                    "leave_on_terminate": False,
                },
                indent=1,
            )
        )
        return Launch([str(place.program), "agent", "-dev", f"-config-file={config}"])

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """CONSUL_HTTP_ADDR, as a URL, and CONSUL_DNS_ADDR as host:port."""
        return {
            "CONSUL_HTTP_ADDR": f"http://127.0.0.1:{ports['http']}",
            DNS_VARIABLE: f"127.0.0.1:{ports['dns']}",
        }

    def external(self, environ: Mapping[str, str]) -> dict[str, str] | None:
        """The user's own, with its DNS port where that is told."""
        found = super().external(environ)
        if found is not None and environ.get(DNS_VARIABLE):
            found[DNS_VARIABLE] = environ[DNS_VARIABLE]
        return found

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """It has a leader."""
        base = environment["CONSUL_HTTP_ADDR"]
        base = base if "//" in base else f"http://{base}"
        status, body = await http_get(f"{base.rstrip('/')}/v1/status/leader")
        return None if status == 200 and json.loads(body) else f"no leader yet (HTTP {status})"


def _ui(port: int) -> dict[str, Any]:
    """The web UI, at a path that is the same at Consul (where / leads to it) and through a Jupyter server."""
    return {
        "enabled": True,
        "content_path": f"{behind_jupyter(port)}ui/",
        "metrics_provider_files": [str(UI_SCRIPT)],  # the way to give the UI a script; it has no metrics
    }
