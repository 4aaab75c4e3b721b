"""The doctor's findings: what there is, and what to do where there isn't."""

import socket
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbook_lib.lab import doctor
from workbook_lib.lab.doctor import WELL_KNOWN_PORTS, Finding, examine
from workbook_lib.lab.ports import PortAllocator, PortRequest
from workbook_lib.lab.provision.catalogue import CATALOGUE, SERVERS


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, nothing on PATH, and no server named by the environment."""
    for entry in CATALOGUE.values():
        for variable in (*entry.endpoint_variables, entry.variable):
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("WORKBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Listens on a port that no other test takes when it is closed."""
    kept = PortAllocator().reserve(PortRequest("http"))
    kept.hand_over()
    with socket.create_server(("127.0.0.1", kept.port)) as listener:
        yield listener
    kept.release()


def finding(topic: str) -> Finding:
    (found,) = [finding for finding in examine() if finding.topic == topic]
    return found


def test_every_topic_is_looked_at_once_and_what_is_wrong_comes_with_advice() -> None:
    findings = examine()
    topics = [finding.topic for finding in findings]
    servers = [CATALOGUE[name].title for name in SERVERS]
    ports = [f"port {number}" for number in WELL_KNOWN_PORTS]
    machine = ["memory", "disk of the cache", "disk of the project", "open files"]
    assert topics == ["Python", "packages", *servers, "Java", "Go", *ports, *machine]
    assert all(finding.found for finding in findings)
    assert all(bool(finding.advice) == (finding.state != "ok") for finding in findings)


def test_this_environment_satisfies_the_lock() -> None:
    assert finding("packages") == Finding("packages", "ok", "as in requirements.lock")


def test_a_package_that_differs_from_the_lock_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "pytest==0.1 \\\n    --hash=sha256:00\n"
        "no-such-thing==1.0 ; sys_platform == 'no-such-system' \\\n    --hash=sha256:00\n"
        "no-such-package==1.0 \\\n    --hash=sha256:00\n"
    )
    monkeypatch.setattr(doctor, "_LOCK", lock)
    packages = finding("packages")
    assert packages.state == "warn"
    assert packages.found.startswith("2 not as in requirements.lock: pytest is ")
    assert packages.found.endswith("no-such-package is absent")


def test_installed_as_a_library_the_packages_are_held_against_its_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_LOCK", tmp_path / "none")
    assert finding("packages").found == "as in the requirements of microservices-workbook"


def test_a_server_that_is_nowhere_comes_with_the_three_ways() -> None:
    consul = finding("Consul")
    assert (consul.state, consul.found) == ("missing", "none found")
    assert consul.advice == (
        "run `workbook provision consul` (a chapter that needs it does so itself; up to 7 minutes), "
        "or set CONSUL_HTTP_ADDR to a running one, or put consul on PATH"
    )


def test_a_named_program_that_is_broken_is_missing_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REDIS", "JAVA", "GO", "KAFKA"):
        monkeypatch.setenv(f"WORKBOOK_{name}", str(tmp_path / "none"))
    refused = [found for found in examine() if found.topic in ("Redis", "Java", "Go", "Kafka")]
    assert [found.state for found in refused] == ["missing"] * 4
    assert all("can't be used: there is no" in found.advice for found in refused)


def test_a_program_on_path_is_told_with_its_version(tmp_path: Path) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\necho Redis server v=7.2.4\n")
    program.chmod(0o755)
    assert finding("Redis") == Finding("Redis", "ok", f"7.2.4, {program}")


def test_an_endpoint_is_asked_for_a_connection(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", address)
        monkeypatch.setenv("REDIS_URL", f"redis://{address}/0")
        assert finding("Kafka") == Finding("Kafka", "ok", f"{address}, from KAFKA_BOOTSTRAP_SERVERS")
        assert finding("Redis").state == "ok"
    silent = finding("Kafka")
    assert silent.state == "missing"
    assert silent.found == f"nothing listens at {address}, from KAFKA_BOOTSTRAP_SERVERS"
    assert silent.advice == "start it, correct KAFKA_BOOTSTRAP_SERVERS, or unset it"


def test_a_readers_own_cluster_is_asked_where_its_kubeconfig_says(
    listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "my clusters.yaml"
    monkeypatch.setenv("WORKBOOK_KUBECONFIG", str(file))
    broken = finding("Kubernetes")
    assert broken.state == "missing"
    assert broken.found.startswith(f"{file} is no kubeconfig: ")
    for content in ("{}", "current-context: a\ncontexts: []", "[", "just words"):
        file.write_text(content)
        assert finding("Kubernetes").advice == "correct or unset WORKBOOK_KUBECONFIG"
    with listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        clusters = (
            f"[{{name: other, cluster: {{server: 'https://x'}}}}, {{name: c, cluster: {{server: '{url}'}}}}]"
        )
        context = "{name: mine, context: {cluster: c, user: u}}"
        file.write_text(f"current-context: mine\ncontexts: [{context}]\nclusters: {clusters}\n")
        assert finding("Kubernetes") == Finding("Kubernetes", "ok", f"{file}, from WORKBOOK_KUBECONFIG")
    assert finding("Kubernetes").found == f"nothing listens at {url}, from WORKBOOK_KUBECONFIG"


def test_what_no_running_one_can_stand_for_comes_with_two_ways() -> None:
    assert finding("KWOK").advice == (
        "run `workbook provision kwok` (a chapter that needs it does so itself; up to 3 minutes), "
        "or put kwok on PATH"
    )


def test_half_of_jaegers_addresses_is_a_warning_once_jaeger_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "jaeger"
    program.write_text("#!/bin/sh\necho git-version=v2.13.0\n")
    program.chmod(0o755)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    jaeger = finding("Jaeger")
    assert jaeger.state == "warn"
    assert jaeger.found.endswith("only OTEL_EXPORTER_OTLP_ENDPOINT is set")


def test_a_taken_port_names_its_owner(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    with listener:
        number = listener.getsockname()[1]
        monkeypatch.setattr(doctor, "WELL_KNOWN_PORTS", {number: "Kafka"})
        taken = finding(f"port {number}")
    assert taken.state == "warn"
    assert taken.found.startswith("taken by ")
    assert taken.advice == "chapters use another port for Kafka, and say so"
    assert finding(f"port {number}") == Finding(f"port {number}", "ok", "free for Kafka")


def test_scarce_memory_disk_and_files_are_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = namedtuple("memory", "available total")
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(doctor.psutil, "virtual_memory", lambda: memory(5 * 10**8, 10**9))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage(10**8))
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda _: (256, 4096))
    memory_left, cache_disk, project_disk, files = examine()[-4:]
    assert (memory_left.state, memory_left.found) == ("warn", "0.5 of 1.0 GB available")
    assert cache_disk.state == project_disk.state == "missing"
    assert "set WORKBOOK_CACHE" in cache_disk.advice
    assert files == Finding("open files", "warn", "limit 256", "run `ulimit -n 4096` in this terminal first")
