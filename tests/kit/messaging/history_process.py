"""The processes of test_history: one stores numbers for others to hear of, others apply them, once each.

`python -m tests.kit.messaging.history_process store|send|apply <bootstrap> <topic> <folder> <name>`. What is
acknowledged to the one who stores or sends is written to <folder>/history.jsonl before anything else happens.
SERVICE_FAILPOINTS says where a process shall die or stand still.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from pydantic import BaseModel
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, update

from workbook_lib.kit import failpoints
from workbook_lib.kit.messaging import (
    Consumer,
    Inbox,
    Message,
    Outbox,
    OutboxRelay,
    Outgoing,
    Position,
    Producer,
    event_id_of,
)
from workbook_lib.kit.storage import Database

KEYS = [f"key-{number}" for number in range(6)]
PAUSE_SECONDS = 0.1

STORED = MetaData()
OUTBOX = Outbox(STORED)
COUNTERS = Table("counters", STORED, Column("key", String, primary_key=True), Column("n", Integer))

EFFECTS = MetaData()
INBOX = Inbox(EFFECTS)
APPLIED = Table(
    "applied",
    EFFECTS,
    Column("id", Integer, primary_key=True),
    Column("key", String),
    Column("n", Integer),
    Column("by", String),
)


class Number(BaseModel):
    key: str
    n: int


def acknowledged(folder: Path, numbers: list[Number]) -> None:
    with (folder / "history.jsonl").open("a") as history:
        history.write("".join(f"{number.model_dump_json()}\n" for number in numbers))


async def store(bootstrap: str, topic: str, folder: Path, name: str) -> None:
    """Count up for each key, and tell of it through the outbox, until there is a file called enough."""
    database = Database(f"sqlite:///{folder}/stored.db", metadata=STORED)
    await database.start()
    relay = OutboxRelay(database, OUTBOX, Producer(bootstrap, client_id=name), owner="store")
    worker = asyncio.create_task(relay.run())
    while not (folder / "enough").exists():
        async with database.session() as session:
            last = dict((await session.execute(select(COUNTERS.c.key, COUNTERS.c.n))).tuples().all())
            numbers = [Number(key=key, n=last.get(key, 0) + 1) for key in KEYS]
            for number in numbers:
                change = update(COUNTERS).where(COUNTERS.c.key == number.key).values(n=number.n)
                if number.n == 1:
                    await session.execute(insert(COUNTERS).values(key=number.key, n=1))
                await session.execute(change)
                await OUTBOX.add(session, topic, number.key, number)
        acknowledged(folder, numbers)
        await asyncio.sleep(PAUSE_SECONDS)
    left = 1
    while left:
        async with database.session(read_only=True) as session:
            left = await OUTBOX.waiting(session)
        await asyncio.sleep(PAUSE_SECONDS)
    worker.cancel()
    await asyncio.wait([worker])
    await database.stop()


async def send(bootstrap: str, topic: str, folder: Path, name: str) -> None:
    """Send batches without an outbox until it is killed."""
    producer = Producer(bootstrap, client_id=name)
    await producer.start()
    n = 0
    while True:
        numbers = [Number(key=key, n=n + step) for step in range(1, 101) for key in KEYS]
        n += 100
        outcomes = await producer.send_many(
            [Outgoing(topic, number.key, number.model_dump_json().encode()) for number in numbers],
            timeout_seconds=60,  # what is late has no position, though it arrives
        )
        arrived = zip(numbers, outcomes, strict=True)
        acknowledged(folder, [number for number, outcome in arrived if isinstance(outcome, Position)])


async def apply(bootstrap: str, topic: str, folder: Path, name: str) -> None:
    """Store each number once, as a member of a group that shares one database, until SIGTERM."""
    database = Database(f"sqlite:///{folder}/applied.db", metadata=EFFECTS)
    await database.start()

    async def handle(message: Message) -> None:
        number = Number.model_validate_json(message.value)
        async with database.session() as session:
            if await INBOX.first_time(session, event_id_of(message), consumer="apply"):
                await session.execute(insert(APPLIED).values(key=number.key, n=number.n, by=name))

    consumer = Consumer(bootstrap, [topic], "apply", handle, client_id=name, stop_timeout_seconds=20)
    await consumer.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    worker = asyncio.create_task(consumer.run())
    ended, stopping = worker, asyncio.create_task(stop.wait())
    await asyncio.wait([ended, stopping], return_when=asyncio.FIRST_COMPLETED)
    if worker.done():
        sys.exit(f"the consumer ended: {worker.exception()!r}")
    worker.cancel()
    await asyncio.wait([worker])
    await consumer.stop()
    await database.stop()


if __name__ == "__main__":
    failpoints.arm_all(os.environ.get("SERVICE_FAILPOINTS", ""))
    what, bootstrap, topic, folder, name = sys.argv[1:]
    roles = {"store": store, "send": send, "apply": apply}
    asyncio.run(roles[what](bootstrap, topic, Path(folder), name))
