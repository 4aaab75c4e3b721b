"""Prometheus: scrapes every service that Consul knows, evaluates the alert rules of `deploy/prometheus`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any, ClassVar

import yaml

from workbook_lib.lab.deployment import deploy_file, fill_in
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.readiness import http_get
from workbook_lib.lab.servers.base import Launch, Place, Server, address

__all__ = ["Prometheus"]

SOURCES = {"services": "consul", "collector": "collector"}
"""The jobs that make sense only where another server runs, by its name in the configuration."""


class Prometheus(Server):
    """Ready when it says so (GET /-/ready): its storage is open and its configuration loaded.

    It scrapes what is registered in the lab's Consul and what the lab's collector makes from spans, keeps
    exemplars, and sends alerts to the lab's Alertmanager, each if it runs. Rules are the files in `rules/` of
    its folder; see `lab.monitoring`.
    """

    name = "prometheus"
    title = "Prometheus"
    variables: ClassVar = ("PROMETHEUS_URL",)
    ports: ClassVar = (PortRequest("http", 9090),)
    start_seconds: ClassVar = 30.0

    def launch(self, place: Place) -> Launch:
        """Storage and rules in the run's folder; an address on loopback; a reload by HTTP allowed."""
        rules = place.folder / "rules"
        rules.mkdir(exist_ok=True)
        shutil.copy(deploy_file("prometheus/alerts.yml"), rules)
        config = place.folder / "prometheus.yml"
        config.write_text(_configuration(place))
        listen = f"127.0.0.1:{place.ports['http']}"
        return Launch(
            [
                str(place.program),
                f"--config.file={config}",
                f"--storage.tsdb.path={place.folder / 'data'}",
                f"--web.listen-address={listen}",
                "--web.enable-lifecycle",
                "--enable-feature=exemplar-storage",
                "--scrape.discovery-reload-interval=1s",  # 5 s, after another 5 s of the discovery itself
            ]
        )

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """PROMETHEUS_URL."""
        return {"PROMETHEUS_URL": f"http://127.0.0.1:{ports['http']}"}

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """It is ready to serve queries."""
        status, _ = await http_get(f"{environment['PROMETHEUS_URL'].rstrip('/')}/-/ready")
        return None if status == 200 else f"/-/ready says {status}"


def _configuration(place: Place) -> str:
    """`prometheus.yml` without what doesn't run here: discovery without Consul, an absent Alertmanager."""
    named = {
        "consul": place.environment.get("CONSUL_HTTP_ADDR", ""),
        "alertmanager": place.environment.get("ALERTMANAGER_URL", ""),
        "collector": place.environment.get("COLLECTOR_METRICS_URL", ""),
    }
    hosts = {name: "{}:{}".format(*address(url)) for name, url in named.items() if url}
    values = {
        "rules": str(place.folder / "rules"),
        "prometheus": f"127.0.0.1:{place.ports['http']}",
        **dict.fromkeys(named, ""),
        **hosts,
    }
    config: dict[str, Any] = yaml.safe_load(fill_in("prometheus/prometheus.yml", values))
    absent = {
        job for job, host in {"services": "consul", "collector": "collector"}.items() if host not in hosts
    }
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] not in absent]
    if "alertmanager" not in hosts:
        del config["alerting"]
    return yaml.safe_dump(config, sort_keys=False)
