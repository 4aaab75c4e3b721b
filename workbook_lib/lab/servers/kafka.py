"""Apache Kafka: one node, broker and controller in one process (KRaft), started from prepared storage."""

from __future__ import annotations

import asyncio
import shutil
import struct
from collections.abc import Mapping
from typing import ClassVar

from workbook_lib.lab import provision
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.servers.base import Launch, Place, Server, address

__all__ = ["Kafka"]

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
log.dirs={storage}
log.cleaner.dedupe.buffer.size=4194304
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
controlled.shutdown.enable=false
"""
METADATA = 3  # API key; version 1 is the first that names the controller


class Kafka(Server):
    """Ready when its metadata names a controller, which takes a broker that the quorum has let in."""

    name = "kafka"
    title = "Kafka"
    variables: ClassVar = ("KAFKA_BOOTSTRAP_SERVERS",)
    ports: ClassVar = (PortRequest("broker", 9092), PortRequest("controller", 29093))
    start_seconds: ClassVar = 60.0

    def launch(self, place: Place) -> Launch:
        """Storage is copied from the formatted template; formatting anew would start a JVM of its own."""
        storage = place.folder / "storage"
        if not storage.exists():  # started again after a crash, it finds what it had
            shutil.copytree(place.program / "template", storage)
        properties = place.folder / "server.properties"
        properties.write_text(PROPERTIES.format(storage=storage, **place.ports))
        return Launch([*provision.kafka_java_command(place.found), str(properties)])

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """KAFKA_BOOTSTRAP_SERVERS."""
        return {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{ports['broker']}"}

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """Ask for metadata; a broker that the controller hasn't let in yet names controller -1."""
        reader, writer = await asyncio.open_connection(*address(environment["KAFKA_BOOTSTRAP_SERVERS"], 9092))
        try:
            client = b"workbook"
            request = struct.pack(f">hhih{len(client)}si", METADATA, 1, 1, len(client), client, 0)
            writer.write(struct.pack(">i", len(request)) + request)
            size = struct.unpack(">i", await reader.readexactly(4))[0]
            controller = _controller(await reader.readexactly(size))
        except struct.error:
            return "something else than Kafka answers there"
        finally:
            writer.close()
        return None if controller >= 0 else "no controller yet"


def _controller(answer: bytes) -> int:
    """The controller's id in a Metadata answer of version 1: after the correlation id and the brokers."""
    (brokers,) = struct.unpack_from(">i", answer, 4)
    position = 8
    for _ in range(brokers):
        position += 4  # node id
        (host,) = struct.unpack_from(">h", answer, position)
        position += 2 + host + 4  # host, port
        (rack,) = struct.unpack_from(">h", answer, position)
        position += 2 + max(rack, 0)
    return int(struct.unpack_from(">i", answer, position)[0])
