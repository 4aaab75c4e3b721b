"""The servers of the workbook, one module each."""

from __future__ import annotations

from workbook_lib.lab.servers.base import Launch, Place, Server
from workbook_lib.lab.servers.consul import Consul
from workbook_lib.lab.servers.jaeger import Jaeger
from workbook_lib.lab.servers.kafka import Kafka
from workbook_lib.lab.servers.redis import Redis

__all__ = ["SERVERS", "Launch", "Place", "Server"]

SERVERS: dict[str, Server] = {server.name: server for server in (Consul(), Kafka(), Jaeger(), Redis())}
"""Every server that `Lab.start` knows, by name."""
