"""The servers of the workbook, one module each."""

from __future__ import annotations

from workbook_lib.lab.servers.alertmanager import Alertmanager
from workbook_lib.lab.servers.base import Launch, Place, Server
from workbook_lib.lab.servers.consul import Consul
from workbook_lib.lab.servers.consul_acl import ConsulAcl
from workbook_lib.lab.servers.jaeger import Jaeger
from workbook_lib.lab.servers.kafka import Kafka
from workbook_lib.lab.servers.kubernetes import ApiServer, ControllerManager, Etcd, Kwok, Scheduler
from workbook_lib.lab.servers.nginx import Nginx
from workbook_lib.lab.servers.postgres import Postgres
from workbook_lib.lab.servers.prometheus import Prometheus
from workbook_lib.lab.servers.rabbitmq import RabbitMq
from workbook_lib.lab.servers.redis import Redis
from workbook_lib.lab.servers.victorialogs import VictoriaLogs

__all__ = ["SERVERS", "Launch", "Place", "Server"]

SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        *(Consul(), ConsulAcl(), Kafka(), Jaeger(), Redis(), VictoriaLogs(), RabbitMq()),
        *(Alertmanager(), Prometheus(), Nginx(), Postgres()),
        *(Etcd(), ApiServer(), ControllerManager(), Scheduler(), Kwok()),
    )
}
"""Every server that `Lab.start` knows, by name. What one looks for at its start precedes it."""
