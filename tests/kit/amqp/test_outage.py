"""A broker that is killed and comes back has what it had confirmed, and consumers go on by themselves."""

import asyncio

import pytest

from workbook_lib.kit.amqp import AmqpConsumer, AmqpError, AmqpPublisher
from workbook_lib.lab import Lab
from workbook_lib.lab.evidence import eventually

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]


@pytest.fixture
async def lab(tmp_path, monkeypatch):
    monkeypatch.delenv("AMQP_URL", raising=False)
    async with Lab("amqp-outage", root=tmp_path) as lab:
        if await lab.try_start("rabbitmq") is None:
            pytest.skip("RabbitMQ can't be had here")
        yield lab


async def test_what_was_confirmed_before_the_broker_was_killed_is_handled_afterwards(lab):
    url, got, open_for_work = lab.environment["AMQP_URL"], set(), asyncio.Event()

    async def handle(message):
        await open_for_work.wait()
        got.add(message.message_id)

    consumer = AmqpConsumer(url, "work", handle, prefetch=3)
    await consumer.start()
    worker = asyncio.create_task(consumer.run())
    async with AmqpPublisher(url) as publisher:
        for number in range(10):
            await publisher.send("work", b"x", message_id=f"before-{number}")
        await lab["rabbitmq"].kill()
        with pytest.raises(AmqpError):
            await publisher.send("work", b"x", message_id="meanwhile", timeout_seconds=0.5)
        await lab.start("rabbitmq")

        async def sent():
            await publisher.send("work", b"x", message_id="after", timeout_seconds=2)
            return True

        await eventually(sent, timeout_seconds=30)
        open_for_work.set()
        expected = {f"before-{number}" for number in range(10)} | {"after"}
        await eventually(lambda: expected <= got, timeout_seconds=30)
        await consumer.check()
    worker.cancel()
    await asyncio.wait([worker])
    await consumer.stop()
