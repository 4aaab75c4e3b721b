"""Real servers for the tests: each is started once a session, when the first test asks for it.

A server that the environment names (CONSUL_HTTP_ADDR, KAFKA_BOOTSTRAP_SERVERS, REDIS_URL, JAEGER_QUERY_URL
with OTEL_EXPORTER_OTLP_ENDPOINT) is used instead.
"""

import asyncio
import fcntl
import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from workbook_lib.lab import Lab


def pytest_configure() -> None:
    """Before anything is imported or started by a test."""
    # Tests press Ctrl-C on programs, which a shell's background job would hand down ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # as services/nlp_model has it, whose tests share NumPy


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outside the timeout's: waiting isn't the test's own time
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Beside other workers, a test marked `alone` (it measures, or has bounds to keep) waits for the rest."""
    run = getattr(item.config, "workerinput", {}).get("testrunuid")
    if run is None:
        return (yield)
    with _machine(run, alone=item.get_closest_marker("alone") is not None):
        return (yield)


@contextmanager
def _machine(run: str, *, alone: bool) -> Iterator[None]:
    """The machine, shared with the other workers of this run or not."""
    names = (Path(tempfile.gettempdir()) / f"workbook-{run}.{part}" for part in ("turnstile", "machine"))
    with next(names).open("w") as turnstile, next(names).open("w") as machine:
        fcntl.flock(turnstile, fcntl.LOCK_EX)  # nobody overtakes one who waits to be alone
        fcntl.flock(machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(turnstile, fcntl.LOCK_UN)
        yield


class JaegerEndpoints(NamedTuple):
    """Where spans are sent to and asked for."""

    query_url: str
    otlp_endpoint: str


@pytest.fixture(scope="session")
def session_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab that holds the session's servers; tests that stop or break servers make their own."""
    lab = Lab("tests", root=tmp_path_factory.mktemp("session-lab"))
    yield lab
    asyncio.run(lab.stop())


def _environment(lab: Lab, name: str) -> dict[str, str]:
    asyncio.run(lab.start(name))
    return lab[name].environment


@pytest.fixture(scope="session")
def consul_url(session_lab: Lab) -> str:
    """The HTTP address of a Consul agent."""
    address = _environment(session_lab, "consul")["CONSUL_HTTP_ADDR"]
    return address if "//" in address else f"http://{address}"


@pytest.fixture(scope="session")
def consul_dns_address(session_lab: Lab) -> str:
    """host:port of that Consul's DNS server; tests that need it are skipped where it isn't told."""
    address = _environment(session_lab, "consul").get("CONSUL_DNS_ADDR")
    return address or pytest.skip("CONSUL_DNS_ADDR isn't set beside CONSUL_HTTP_ADDR")


@pytest.fixture(scope="session")
def redis_url(session_lab: Lab) -> str:
    """The URL of a Redis."""
    return _environment(session_lab, "redis")["REDIS_URL"]


@pytest.fixture(scope="session")
def kafka_bootstrap(session_lab: Lab) -> str:
    """The bootstrap servers of a Kafka."""
    return _environment(session_lab, "kafka")["KAFKA_BOOTSTRAP_SERVERS"]


@pytest.fixture(scope="session")
def jaeger(session_lab: Lab) -> JaegerEndpoints:
    """A Jaeger's query API and its OTLP receiver."""
    environment = _environment(session_lab, "jaeger")
    return JaegerEndpoints(environment["JAEGER_QUERY_URL"], environment["OTEL_EXPORTER_OTLP_ENDPOINT"])


@pytest.fixture(scope="session")
def logs_url(session_lab: Lab) -> str:
    """The base URL of a log store."""
    return _environment(session_lab, "victorialogs")["LOGS_URL"]


@pytest.fixture(scope="session")
def amqp_url(session_lab: Lab) -> str:
    """The URL of a RabbitMQ; tests that need one are skipped, and say so, where it can't be had."""
    if asyncio.run(session_lab.try_start("rabbitmq")) is None:
        pytest.skip("RabbitMQ can't be had here")
    return session_lab["rabbitmq"].environment["AMQP_URL"]


@pytest.fixture(scope="session")
def postgres_url(session_lab: Lab) -> str:
    """The URL of a PostgreSQL's own database, as superuser."""
    return _environment(session_lab, "postgres")["POSTGRES_URL"]


@pytest.fixture(scope="session")
def cluster(session_lab: Lab) -> Lab:
    """The session's lab with a Kubernetes control plane; each test works in a namespace of its own."""
    asyncio.run(session_lab.start("kubernetes"))
    return session_lab
