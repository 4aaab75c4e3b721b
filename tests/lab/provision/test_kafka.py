"""Kafka's prepared folder: whole or absent, bound to its Java, quick to start."""

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from workbook_lib.lab import provision
from workbook_lib.lab.provision import Found, ProvisionError, find, kafka_java_command
from workbook_lib.lab.provision import kafka as module
from workbook_lib.lab.provision.cache import CacheEntry
from workbook_lib.lab.provision.catalogue import CATALOGUE
from workbook_lib.lab.provision.failures import ChecksumMismatch
from workbook_lib.lab.provision.jars import Jar, fetch, pinned_jars
from workbook_lib.lab.provision.java import Java, java_stamp
from workbook_lib.lab.provision.kafka import kafka_facts

from .conftest import Script
from .test_java import java_home

SMALL_JAR = next(jar for jar in pinned_jars() if jar.artifact == "jspecify")


@pytest.fixture
def java(tmp_path: Path) -> Path:
    """A Java by its looks."""
    return java_home(tmp_path / "jdk", "25.0.2") / "bin" / "java"


def put_into_cache(java: Path, *, ahead_of_time: bool = True) -> Path:
    entry = CacheEntry(CATALOGUE["kafka"])
    with entry.lock(lambda _: None), entry.building() as folder:
        (folder / "libs").mkdir()
        for jar in ("a.jar", "b.jar"):
            (folder / "libs" / jar).write_text("classes")
        (folder / "kafka.aot").write_text("cache")
        entry.record(
            folder,
            version="4.1.1",
            source="Maven Central",
            jars=["a.jar", "b.jar"],
            java=str(java),
            java_version="25.0.2",
            java_stamp=java_stamp(java),
            ahead_of_time=ahead_of_time,
            note="",
        )
    return entry.folder


def test_the_pinned_jars_are_one_kafka_and_its_log() -> None:
    jars = pinned_jars()
    assert len({jar.artifact for jar in jars}) == len(jars) == 46
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {CATALOGUE["kafka"].version}
    log4j = {jar.version for jar in jars if jar.group == "org.apache.logging.log4j"}
    assert len(log4j) == 1
    assert "log4j-slf4j-impl" in {jar.artifact for jar in jars}
    assert all(len(jar.sha256) == 64 for jar in jars)


def test_a_whole_folder_is_found_with_the_command_that_starts_it(cache: Path, java: Path) -> None:
    folder = put_into_cache(java)
    found = find("kafka")
    assert found == Found("kafka", "cache", "4.1.1", folder, "Maven Central")
    command = kafka_java_command(found)
    assert command[0] == str(java)
    assert f"-XX:AOTCache={folder}/kafka.aot" in command
    assert command[-3:] == ["-cp", f"{folder}/libs/a.jar:{folder}/libs/b.jar", "kafka.Kafka"]


def test_without_an_ahead_of_time_cache_the_command_asks_for_none(cache: Path, java: Path) -> None:
    put_into_cache(java, ahead_of_time=False)
    found = find("kafka")
    assert found is not None
    assert not any("AOT" in argument for argument in kafka_java_command(found))


@pytest.mark.parametrize("lost", ["libs/b.jar", "kafka.aot", "whole.json"])
def test_a_folder_that_lost_a_part_is_not_found(cache: Path, java: Path, lost: str) -> None:
    (put_into_cache(java) / lost).unlink()
    assert find("kafka") is None


def test_a_folder_whose_java_was_upgraded_or_removed_is_not_found(cache: Path, java: Path) -> None:
    put_into_cache(java)
    (java.parent.parent / "lib" / "modules").write_text("classes of the upgrade")
    assert find("kafka") is None
    shutil.rmtree(java.parent.parent)
    assert find("kafka") is None


def test_a_folder_made_for_another_java_than_the_named_one_is_not_found(
    cache: Path, java: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_into_cache(java)
    monkeypatch.setenv("WORKBOOK_JAVA", str(java))
    assert find("kafka") is not None
    monkeypatch.setenv("WORKBOOK_JAVA", "/another/java")
    assert find("kafka") is None


def test_another_ones_kafka_has_no_start_command(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
    found = find("kafka")
    assert found is not None
    with pytest.raises(ProvisionError, match="to be used rather than started"):
        kafka_java_command(found)


def test_a_jar_with_another_sum_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    wrong = Jar(SMALL_JAR.group, SMALL_JAR.artifact, SMALL_JAR.version, "0" * 64)
    with pytest.raises(RuntimeError, match=r"checksum mismatch: jspecify-1\.0\.0\.jar has SHA-256"):
        fetch([wrong], tmp_path / "libs")


def test_a_jar_with_the_pinned_sum_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch([SMALL_JAR], tmp_path / "libs")
    assert [path.name for path in (tmp_path / "libs").iterdir()] == ["jspecify-1.0.0.jar"]
    assert [path.name for path in tmp_path.iterdir()] == ["libs"]
    assert capsys.readouterr().out == "jspecify-1.0.0.jar\n"


def test_jars_that_cant_be_fetched_stop_kafka_with_a_sentence(
    cache: Path, java: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java.parent.parent))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with pytest.raises(ProvisionError, match=r"Kafka can't be fetched .* set KAFKA_BOOTSTRAP_SERVERS"):
        provision.provision("kafka", report=lines.append)
    assert list(cache.glob(".building*")) == []


def refuse(error: ProvisionError) -> Found:
    raise error


def test_without_java_25_kafka_is_prepared_for_an_older_one_and_says_so(
    cache: Path, script: Script, lines: list[str]
) -> None:
    older = script("java", "echo 'openjdk version \"17.0.15\"'")
    java, note = module._choose_java(lambda: refuse(ProvisionError("no registry")), lines.append)
    assert java == Java(older, "17.0.15")
    assert note == "Java 17.0.15 makes no ahead-of-time cache, and Java 25 can't be had"
    assert "4 s rather than 1.5 s (no registry)" in lines[0]


def test_a_java_wheel_with_a_wrong_hash_is_never_made_up_for_by_an_older_java(
    cache: Path, script: Script, lines: list[str]
) -> None:
    script("java", "echo 'openjdk version \"17.0.15\"'")
    with pytest.raises(ChecksumMismatch):
        module._choose_java(lambda: refuse(ChecksumMismatch("wrong")), lines.append)


def test_without_any_java_a_sentence_says_what_to_do(cache: Path, lines: list[str]) -> None:
    with pytest.raises(
        ProvisionError, match=r"Kafka needs Java, which can't be had here: .*install Java 17 or newer"
    ):
        module._choose_java(lambda: refuse(ProvisionError("no registry")), lines.append)


def test_java_25_of_the_users_comes_before_the_wheel(
    cache: Path, java: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java.parent.parent))
    assert module._choose_java(lambda: refuse(ProvisionError("not asked")), lines.append) == (
        Java(java, "25.0.2"),
        "",
    )


def test_a_named_installation_must_be_a_kafka_that_is_new_enough(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBOOK_KAFKA", str(tmp_path))
    with pytest.raises(ProvisionError, match="there is no libs folder with Kafka's jars"):
        find("kafka")
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka_2.13-3.9.0.jar").write_text("")
    with pytest.raises(ProvisionError, match=r"it is Kafka 3\.9\.0, and 4\.0 or newer is needed"):
        find("kafka")


@pytest.mark.server
def test_an_installation_on_path_is_prepared_where_it_is_and_serves(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    """The whole way but the download: format, train, find, with the real Kafka as the user's own."""
    real, java = real_kafka(monkeypatch)
    installation = tmp_path / "opt" / "kafka"
    shutil.copytree(real / "libs", installation / "libs")
    (installation / "bin").mkdir()
    start = installation / "bin" / "kafka-server-start.sh"
    start.write_text("#!/bin/sh\n")
    start.chmod(0o755)
    (tmp_path / "bin" / "kafka-server-start.sh").symlink_to(start)
    monkeypatch.setenv("WORKBOOK_JAVA", str(java))
    assert find("kafka") is None
    made = provision.provision("kafka", report=lines.append)
    assert (made.how, made.version, made.detail) == ("path", "4.1.1", f"jars of {installation}")
    assert find("kafka") == made
    facts = kafka_facts(made)
    assert facts["ahead_of_time"], facts["note"]
    assert made.path is not None
    assert (made.path / "template" / "meta.properties").exists()
    assert sorted(path.name for path in made.path.iterdir()) == [
        "kafka.aot",
        "libs",
        "log4j2.properties",
        "template",
        "whole.json",
    ]


def real_kafka(monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The Kafka of this user's cache and its Java, provisioned if need be."""
    own_cache, own_path = os.environ["WORKBOOK_CACHE"], os.environ["PATH"]
    monkeypatch.delenv("WORKBOOK_CACHE")
    found = provision.provision("kafka", report=print)
    monkeypatch.setenv("WORKBOOK_CACHE", own_cache)
    monkeypatch.setenv("PATH", own_path)
    assert found.path is not None
    return found.path, Path(json.loads((found.path / "whole.json").read_text())["java"])


def test_ports_for_the_training_run_are_free_and_differ() -> None:
    from workbook_lib.lab.provision.kafka_start import _free_ports

    with _free_ports() as (broker, controller), socket.socket() as listener:
        assert broker != controller
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java and the allocator do
        listener.bind(("127.0.0.1", broker))
