"""HashiCorp Consul: one agent in development mode, server and client in one, nothing kept on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar

from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.readiness import http_get
from workbook_lib.lab.servers.base import Launch, Place, Server

__all__ = ["Consul"]


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
                    "ui_config": {"enabled": True},
                    "disable_update_check": True,
                    "leave_on_terminate": False,
                },
                indent=1,
            )
        )
        return Launch([str(place.program), "agent", "-dev", f"-config-file={config}"])

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """CONSUL_HTTP_ADDR, as a URL."""
        return {"CONSUL_HTTP_ADDR": f"http://127.0.0.1:{ports['http']}"}

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """It has a leader."""
        base = environment["CONSUL_HTTP_ADDR"]
        base = base if "//" in base else f"http://{base}"
        status, body = await http_get(f"{base.rstrip('/')}/v1/status/leader")
        return None if status == 200 and json.loads(body) else f"no leader yet (HTTP {status})"
