"""What must hold whatever dies: no acknowledged event lost, none applied twice, each key in its order.

Checked from a history: what was acknowledged, in a file, against what was applied, in a table, and what the
topic holds.
"""

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from workbook_lib.kit.messaging import dead_letter_topic, ensure_topics
from workbook_lib.lab import Lab, faults
from workbook_lib.lab.evidence import eventually, group_members, rows, topic_offsets, topic_records

SECONDS = 60.0
Start = Callable[..., "subprocess.Popen[bytes]"]
Numbers = dict[str, list[int]]


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    """A Kafka that this test may break."""
    async with Lab("history", root=tmp_path / "lab") as lab:
        await lab.start("kafka")
        yield lab


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a process of `history_process`; all have ended after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def one(what: str, bootstrap: str, topic: str, name: str, trap: str = "") -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.kit.messaging.history_process"]
        with (tmp_path / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                [*command, what, bootstrap, topic, str(tmp_path), name],
                env=os.environ | {"SERVICE_FAILPOINTS": trap},
                stdout=log,
                stderr=log,
            )
        started.append(process)
        return process

    yield one
    for process in started:
        process.kill()
        process.wait(10)


def acknowledged(folder: Path) -> Numbers:
    by_key: Numbers = defaultdict(list)
    history = folder / "history.jsonl"
    # Not a last line that isn't whole: who writes it may have been killed half-way.
    for line in history.read_text().split("\n")[:-1] if history.exists() else ():
        number = json.loads(line)
        by_key[number["key"]].append(number["n"])
    return by_key


async def applied(folder: Path, by: str = "%") -> Numbers:
    by_key: Numbers = defaultdict(list)
    for row in await rows(
        folder / "applied.db", "SELECT key, n FROM applied WHERE by LIKE ? ORDER BY id", (by,)
    ):
        by_key[row["key"]].append(row["n"])
    return by_key


def grown(folder: Path, before: Numbers, by: str = "%") -> Callable[[], object]:
    """Whether more of every key in `before` has been applied."""

    async def check() -> bool:
        now = await applied(folder, by)
        return bool(before) and all(max(now.get(key, [0])) > max(those) for key, those in before.items())

    return check


def stands_still(process: "subprocess.Popen[bytes]") -> Callable[[], bool]:
    return lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED


def ended(process: "subprocess.Popen[bytes]", by: int) -> Callable[[], bool]:
    return lambda: process.poll() == by


@pytest.mark.timeout(240)
async def test_each_event_is_applied_once_in_order_whoever_is_paused_or_killed(
    lab: Lab, tmp_path: Path, start: Start
) -> None:
    bootstrap, topic = lab["kafka"].environment["KAFKA_BOOTSTRAP_SERVERS"], "history"
    await ensure_topics(bootstrap, {topic: 3}, 30)
    pausing = start("apply", bootstrap, topic, "pausing", trap="consumer.handled=stop*12")
    other = start("apply", bootstrap, topic, "other")
    # With one partition of three it stands still between transactions, not with the database locked.
    await eventually(lambda: shared(bootstrap, topic, {"pausing", "other"}), SECONDS)
    storing = start("store", bootstrap, topic, "store-1", trap="outbox.published=kill*9")

    # Killed when the broker had acknowledged a batch whose rows weren't deleted yet.
    await eventually(ended(storing, -signal.SIGKILL), SECONDS)
    storing = start("store", bootstrap, topic, "store-2")

    # A member stands still for longer than its session lasts; the other takes its partitions over.
    await eventually(stands_still(pausing), SECONDS)
    before = await applied(tmp_path)
    await eventually(grown(tmp_path, before, by="other"), SECONDS)
    pausing.send_signal(signal.SIGCONT)
    mine = await applied(tmp_path, "pausing")
    await eventually(lambda: any_more(tmp_path, mine), SECONDS)

    # Killed at any moment, most likely between storing and publishing.
    storing.kill()
    storing.wait(10)
    storing = start("store", bootstrap, topic, "store-3")

    await faults.kill(lab["kafka"])
    stored = acknowledged(tmp_path)
    await eventually(
        lambda: sum(map(len, acknowledged(tmp_path).values())) > sum(map(len, stored.values())), SECONDS
    )
    await lab.start("kafka")
    await eventually(grown(tmp_path, await applied(tmp_path)), SECONDS)

    (tmp_path / "enough").touch()
    await eventually(ended(storing, 0), SECONDS)
    last = {row["key"]: row["n"] for row in await rows(tmp_path / "stored.db", "SELECT key, n FROM counters")}
    whole = {key: list(range(1, n + 1)) for key, n in last.items()}

    async def all_applied() -> bool:
        return {key: len(set(those)) for key, those in (await applied(tmp_path)).items()} == last

    await eventually(all_applied, SECONDS)
    for member in (pausing, other):
        member.terminate()
    for member in (pausing, other):
        await eventually(ended(member, 0), SECONDS)

    assert await applied(tmp_path) == whole
    assert all(set(those) <= set(whole[key]) for key, those in acknowledged(tmp_path).items())
    assert sum((await topic_offsets(bootstrap, dead_letter_topic(topic))).values()) == 0
    records = await topic_records(bootstrap, topic)
    first: dict[str, dict[int, None]] = defaultdict(dict)
    for record in records:
        first[record.json()["key"]].setdefault(record.json()["n"])
    assert {key: list(those) for key, those in first.items()} == whole
    assert len(records) > sum(last.values())  # so there was something for the inbox to recognise


async def shared(bootstrap: str, topic: str, members: set[str]) -> bool:
    return set((await group_members(bootstrap, "apply")).owners(topic).values()) == members


async def any_more(folder: Path, before: Numbers) -> bool:
    now = await applied(folder, "pausing")
    return sum(map(len, now.values())) > sum(map(len, before.values()))


async def test_a_producer_killed_mid_batch_leaves_what_was_acknowledged_once_and_in_order(
    kafka_bootstrap: str, topic: str, tmp_path: Path, start: Start
) -> None:
    sending = start("send", kafka_bootstrap, topic, "send")
    await eventually(lambda: sum(map(len, acknowledged(tmp_path).values())) > 3000, SECONDS)
    sending.kill()
    sending.wait(10)

    arrived: Numbers = defaultdict(list)
    for record in await topic_records(kafka_bootstrap, topic):
        arrived[record.json()["key"]].append(record.json()["n"])
    for key, those in acknowledged(tmp_path).items():
        assert arrived[key][: len(those)] == those
        assert arrived[key] == list(range(1, len(arrived[key]) + 1))
