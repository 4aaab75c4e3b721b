"""A cache entry is whole or absent, whatever happens while it is made."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from workbook_lib.lab.provision.cache import CacheEntry, cache_dir, check_disk, platform_key
from workbook_lib.lab.provision.catalogue import CATALOGUE
from workbook_lib.lab.provision.model import ProvisionError

REDIS = CacheEntry(CATALOGUE["redis"])

# Builds half of an entry, says so, and stays there until it is killed.
HALF_BUILDER = """
import sys
from workbook_lib.lab.provision.cache import CacheEntry
from workbook_lib.lab.provision.catalogue import CATALOGUE
entry = CacheEntry(CATALOGUE[sys.argv[1]])
with entry.lock(print), entry.building() as folder:
    (folder / "program").write_text("half")
    print("half built", flush=True)
    sys.stdin.read()
    (folder / "program").write_text("whole")
    entry.record(folder, program="program")
"""


def half_builder(name: str) -> "subprocess.Popen[str]":
    builder = subprocess.Popen(
        [sys.executable, "-c", HALF_BUILDER, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert builder.stdout is not None
    assert builder.stdout.readline() == "half built\n"
    return builder


def kill(builder: "subprocess.Popen[str]") -> None:
    builder.send_signal(signal.SIGKILL)
    builder.communicate(timeout=10)


def build_whole(content: str = "whole") -> None:
    with REDIS.lock(lambda _: None), REDIS.building() as folder:
        (folder / "program").write_text(content)
        REDIS.record(folder, program="program")


def leftovers(cache: Path) -> list[Path]:
    return list(cache.glob(".building*"))


def test_an_entry_is_keyed_by_name_version_and_platform(cache: Path) -> None:
    assert REDIS.folder == cache / f"redis-{CATALOGUE['redis'].version}-{platform_key()}"


def test_the_cache_is_the_users_unless_the_environment_says_otherwise(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_dir() == cache
    monkeypatch.delenv("WORKBOOK_CACHE")
    assert cache_dir().name == "microservices-workbook"


def test_a_built_entry_is_whole_and_nothing_else_is_left(cache: Path) -> None:
    assert REDIS.read() is None
    build_whole()
    assert REDIS.read() == {"program": "program"}
    assert leftovers(cache) == []


def test_a_failure_while_building_leaves_nothing(cache: Path) -> None:
    def fail_halfway() -> None:
        with REDIS.lock(lambda _: None), REDIS.building() as folder:
            (folder / "program").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert REDIS.read() is None
    assert leftovers(cache) == []


def test_a_folder_without_a_marker_is_not_whole_and_is_replaced(cache: Path) -> None:
    REDIS.folder.mkdir(parents=True)
    (REDIS.folder / "program").write_text("half")
    assert REDIS.read() is None
    build_whole()
    assert (REDIS.folder / "program").read_text() == "whole"


def test_a_builder_killed_in_the_middle_leaves_nothing_that_counts_and_the_next_one_sweeps_it(
    cache: Path,
) -> None:
    kill(half_builder("redis"))
    assert len(leftovers(cache)) == 1
    assert REDIS.read() is None
    build_whole()
    assert REDIS.read() is not None
    assert leftovers(cache) == []


def test_another_entrys_leftover_is_swept_too_but_not_its_build_under_way(cache: Path) -> None:
    builder = half_builder("jaeger")
    try:
        kill(half_builder("consul"))
        assert len(leftovers(cache)) == 2
        build_whole()
        assert [path.name.split("~")[1].split("-")[0] for path in leftovers(cache)] == ["jaeger"]
        builder.communicate(timeout=10)
        assert CacheEntry(CATALOGUE["jaeger"]).read() == {"program": "program"}
    finally:
        kill(builder)


def test_a_second_builder_waits_says_so_and_finds_the_first_ones_entry_whole(cache: Path) -> None:
    builder = half_builder("redis")
    waiting = threading.Event()
    reported: list[str] = []
    seen: list[object] = []

    def report(line: str) -> None:
        reported.append(line)
        waiting.set()

    def second() -> None:
        with REDIS.lock(report):
            seen.append(REDIS.read())

    thread = threading.Thread(target=second)
    thread.start()
    assert waiting.wait(timeout=10)
    assert seen == []
    builder.communicate(timeout=10)  # lets the first go on
    thread.join(timeout=10)
    assert seen == [{"program": "program"}]
    assert "waiting for another process" in reported[0]


def test_a_killed_holder_keeps_nobody_waiting(cache: Path) -> None:
    kill(half_builder("redis"))
    reported: list[str] = []
    with REDIS.lock(reported.append):
        pass
    assert reported == []


def test_too_little_disk_is_said_before_anything_is_fetched(cache: Path) -> None:
    with pytest.raises(ProvisionError, match=r"Redis needs 1000000000000 MB of disk .* set WORKBOOK_CACHE"):
        check_disk(CATALOGUE["redis"], 10**12)
