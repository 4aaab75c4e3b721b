"""A consumer that is killed and started again under its name needn't wait for its own dead session."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from tests.kit.messaging.conftest import Received, running
from workbook_lib.kit.messaging import Consumer, Producer
from workbook_lib.lab.evidence import eventually

pytestmark = pytest.mark.server

SESSION_SECONDS = 6  # the shortest that Kafka allows, and the kit's
MEMBER = """
import asyncio, sys
from workbook_lib.kit.messaging import Consumer

async def handle(message):
    print(message.value.decode(), flush=True)

async def main(bootstrap, topic, group):
    consumer = Consumer(bootstrap, [topic], group, handle, instance="member-1")
    await consumer.start()
    await consumer.run()

asyncio.run(main(*sys.argv[1:]))
"""


async def killed_member(bootstrap: str, topic: str, output: Path) -> None:
    """A member in a process of its own, killed when it has handled a message."""
    with output.open("wb") as log:
        member = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MEMBER, bootstrap, topic, "static", stdout=log, stderr=log
        )
    try:
        await eventually(lambda: "message" in output.read_text(), 30)
    finally:
        member.kill()
        await member.wait()


async def test_a_static_member_that_was_killed_has_its_partitions_back_before_its_session_runs_out(
    kafka_bootstrap: str, topic: str, producer: Producer, tmp_path: Path
):
    seconds = []
    for number in range(3):  # one quick round will do: a busy machine only makes rounds slower
        await producer.send(topic, "k", b"message")
        await killed_member(kafka_bootstrap, topic, tmp_path / f"{number}.log")
        received = Received()
        started = time.monotonic()
        async with running(Consumer(kafka_bootstrap, [topic], "static", received, instance="member-1")):
            seconds.append(time.monotonic() - started)
            await producer.send(topic, "k", b"after")
            await eventually(lambda: received.values[-1:] == [b"after"], 15)  # noqa: B023
        if seconds[-1] < SESSION_SECONDS / 2:
            return
    raise AssertionError(f"the group waited: {seconds}")
