"""A little of what chapters do with Kafka, for the training run: `python -m … HOST:PORT`."""

from __future__ import annotations

import asyncio
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

__all__ = ["main", "traffic"]

_READY_SECONDS = 60.0
_TOPIC = "training"
_MESSAGES = 50


async def traffic(bootstrap: str) -> None:
    """Make a topic, produce to it and consume in a group. Raises `KafkaError` or `TimeoutError`."""
    await _ready(bootstrap)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(_TOPIC, num_partitions=6, replication_factor=1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        for number in range(_MESSAGES):
            await producer.send_and_wait(_TOPIC, b"x", key=str(number).encode())
    consumer = AIOKafkaConsumer(
        _TOPIC, bootstrap_servers=bootstrap, group_id="training", auto_offset_reset="earliest"
    )
    async with consumer:
        for _ in range(_MESSAGES):
            await consumer.getone()
        await consumer.commit()


def main(argv: list[str]) -> int:
    """Send the traffic to the one bootstrap server that is named."""
    asyncio.run(asyncio.wait_for(traffic(argv[0]), _READY_SECONDS + 20))
    return 0


async def _ready(bootstrap: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=2000)
        try:
            await admin.start()
            if (await admin.describe_cluster())["brokers"]:
                return
        except (KafkaError, OSError):
            if time.monotonic() > deadline:
                raise
        finally:
            await admin.close()
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
