"""VictoriaLogs: one node that keeps log records and finds them again.

It takes records by Elasticsearch's bulk protocol and by Grafana Loki's push protocol, and is asked in LogsQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.readiness import http_get
from workbook_lib.lab.servers.base import Launch, Place, Server

__all__ = ["VictoriaLogs"]


class VictoriaLogs(Server):
    """Ready when it answers a query.

    A record that it has taken is on disk after at most a second (its least interval; five by default), so a
    SIGKILL may lose what it took in the last one: the log shipper sends that again.
    """

    name = "victorialogs"
    title = "VictoriaLogs"
    variables: ClassVar = ("LOGS_URL",)
    ports: ClassVar = (PortRequest("http", 9428),)

    def launch(self, place: Place) -> Launch:
        """Loopback, data in the run's folder, its own log as JSON lines with the kit's names."""
        options = {
            "httpListenAddr": f"127.0.0.1:{place.ports['http']}",
            "storageDataPath": str(place.folder / "data"),
            "inmemoryDataFlushInterval": "1s",
            "retentionPeriod": "10y",  # a backup that is restored may be old
            "memory.allowedBytes": "64MiB",
            "loggerFormat": "json",
            "loggerJSONFields": "ts:time,msg:event",
        }
        return Launch([str(place.program), *(f"-{name}={value}" for name, value in options.items())])

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """LOGS_URL, the base of both its push and its query API."""
        return {"LOGS_URL": f"http://127.0.0.1:{ports['http']}"}

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """A query for one record is answered, if only with none."""
        status, _ = await http_get(
            f"{environment['LOGS_URL'].rstrip('/')}/select/logsql/query?query=*&limit=1"
        )
        return None if status == 200 else f"a query is answered with HTTP {status}"
