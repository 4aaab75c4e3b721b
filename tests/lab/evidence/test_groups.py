"""Members, their partitions and the group's lag are those that a real Kafka's coordinator tells."""

import contextlib
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from workbook_lib.kit.messaging import ensure_topics
from workbook_lib.lab.evidence import EvidenceError, GroupWatch, eventually, group_members

pytestmark = pytest.mark.server


@pytest.fixture
async def topic(kafka_bootstrap):
    name = f"groups-{uuid.uuid4().hex[:8]}"
    await ensure_topics(kafka_bootstrap, {name: 4})
    return name


@contextlib.asynccontextmanager
async def _member(bootstrap, topic, client_id):
    """A member of the group that has the topic's name."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=topic,
        client_id=client_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        heartbeat_interval_ms=200,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _send(bootstrap, topic, *partitions):
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for partition in partitions:
        await producer.send_and_wait(topic, b"x", partition=partition)
    await producer.stop()


async def test_members_divide_the_partitions_and_who_leaves_gives_its_own_up(kafka_bootstrap, topic):
    async def shared_by(count):
        group = await group_members(kafka_bootstrap, topic)
        owners = group.owners(topic)
        return owners if group.state == "Stable" and len(set(owners.values())) == count else None

    async with _member(kafka_bootstrap, topic, "one"):
        async with _member(kafka_bootstrap, topic, "two"):
            owners = await eventually(lambda: shared_by(2), timeout_seconds=60)
            assert sorted(owners) == [0, 1, 2, 3]
            assert sorted(owners.values()) == ["one", "one", "two", "two"]
            members = (await group_members(kafka_bootstrap, topic)).members
            assert {member.host for member in members} == {"127.0.0.1"}
        assert await eventually(lambda: shared_by(1), timeout_seconds=20) == dict.fromkeys(range(4), "one")
    assert (await group_members(kafka_bootstrap, topic)).members == ()


async def test_a_group_that_nobody_has_heard_of_is_dead_and_has_no_members(kafka_bootstrap):
    group = await group_members(kafka_bootstrap, "nobody")
    assert (group.state, group.members) == ("Dead", ())


async def test_a_watch_sees_lag_grow_and_go_and_partitions_change_hands(kafka_bootstrap, topic):
    def seen(sample):
        return sample.total_lag, set(sample.owners.values())

    async with GroupWatch(kafka_bootstrap, topic, [topic, "nobody"], interval_seconds=0.05) as watch:
        assert (watch.latest(topic).owners, watch.latest(topic).total_lag) == ({}, 0)
        await _send(kafka_bootstrap, topic, 0, 0, 0, 2)
        await eventually(lambda: watch.latest(topic).total_lag == 4)
        assert watch.latest(topic).lag == {0: 3, 1: 0, 2: 1, 3: 0}
        async with _member(kafka_bootstrap, topic, "reader") as member:
            read = 0
            while read < 4:
                read += sum(map(len, (await member.getmany(timeout_ms=200)).values()))
            watch.mark("read")
            await member.commit()
            await eventually(lambda: seen(watch.latest(topic)) == (0, {"reader"}))
    samples = watch.samples(topic)
    assert [sample.at for sample in samples] == sorted(sample.at for sample in samples)
    assert min(sample.total_lag for sample in samples) == 0
    series, of_nobody = watch.lag_series()
    assert (series.labels, max(series.values), series.values[-1]) == ({"group": topic}, 4.0, 0.0)
    assert (of_nobody.labels, of_nobody.values[-1]) == ({"group": "nobody"}, 4.0)
    assert samples[0].at < watch.marks["read"] <= samples[-1].at


async def test_a_watch_that_has_stopped_takes_no_more_samples(kafka_bootstrap, topic):
    watch = GroupWatch(kafka_bootstrap, topic, [topic], interval_seconds=0.01)
    await watch.start()
    await eventually(lambda: len(watch.samples(topic)) > 2, interval_seconds=0.01)
    await watch.stop()
    await watch.stop()
    taken = watch.samples(topic)
    await _send(kafka_bootstrap, topic, 0)
    assert watch.samples(topic) == taken


async def test_a_watch_of_a_topic_or_a_kafka_that_is_not_there_says_so(kafka_bootstrap):
    with pytest.raises(EvidenceError, match="Kafka has no topic 'absent'"):
        await GroupWatch(kafka_bootstrap, "absent", ["nobody"]).start()
    with pytest.raises(EvidenceError, match=r"Kafka at 127\.0\.0\.1:9"):
        await GroupWatch("127.0.0.1:9", "absent", ["nobody"]).start()
