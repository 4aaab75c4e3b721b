"""Who in a consumer group reads which partition, and how far the group is behind: now, and over time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NotCoordinatorForGroupError,
    for_code,
)

from workbook_lib.lab.evidence.kafka import RETRY_SECONDS, TIMEOUT_SECONDS, commits, observing, partitions
from workbook_lib.lab.evidence.polling import EvidenceError, within
from workbook_lib.lab.evidence.prometheus import Series

__all__ = ["Group", "GroupSample", "GroupWatch", "Member", "group_members"]

NOT_YET = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)


@dataclass(frozen=True, slots=True)
class Member:
    """A process in a group; `client_id` is the name that it gave itself, `id` the coordinator's for it."""

    id: str
    client_id: str
    host: str
    partitions: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A group as its coordinator sees it: who is dead stays a member until the session timeout.

    `state` is Kafka's: Stable, PreparingRebalance, CompletingRebalance, Empty (commits but no members), Dead
    (neither). Members hold partitions only in a stable group.
    """

    name: str
    state: str
    members: tuple[Member, ...]

    def owners(self, topic: str) -> dict[int, str]:
        """The client id of the member that reads each partition of `topic`; none for who has no reader."""
        held = {
            partition: member.client_id
            for member in self.members
            for of_topic, partition in member.partitions
            if of_topic == topic
        }
        return dict(sorted(held.items()))


@dataclass(frozen=True, slots=True)
class GroupSample:
    """A group at one moment, for one topic: the reader of each partition, and its lag in messages."""

    at: datetime
    state: str
    owners: dict[int, str]
    lag: dict[int, int]

    @property
    def total_lag(self) -> int:
        """Messages of the topic that the group hasn't committed as handled."""
        return sum(self.lag.values())


async def group_members(bootstrap: str, group: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> Group:
    """Ask the group's coordinator; a group that it never heard of is Dead, without members.

    Raises EvidenceError when Kafka doesn't answer in time.
    """

    async def ask() -> Group:
        async with observing(bootstrap) as (admin, _):
            return await _described(admin, group)

    return await within(ask(), f"Kafka at {bootstrap}", timeout_seconds)


class GroupWatch:
    """Looks at consumer groups of one topic every `interval_seconds`, from its start to its stop.

    Also an async context manager. What Kafka can't tell for a while, as when it is away, has no samples.
    """

    def __init__(
        self, bootstrap: str, topic: str, groups: Sequence[str], *, interval_seconds: float = 0.25
    ) -> None:
        self.topic = topic
        self.marks: dict[str, datetime] = {}
        """Moments to be shown beside the samples, by name."""
        self._bootstrap = bootstrap
        self._interval_seconds = interval_seconds
        self._samples: dict[str, list[GroupSample]] = {group: [] for group in groups}
        self._clients = AsyncExitStack()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Take the first sample, and more in the background. Raises EvidenceError when Kafka isn't there."""
        if self._task is not None:
            return
        whom = f"Kafka at {self._bootstrap}"
        try:
            admin, consumer = await within(
                self._clients.enter_async_context(observing(self._bootstrap)), whom, TIMEOUT_SECONDS
            )
            await within(self._look(admin, consumer), whom, TIMEOUT_SECONDS)
        except BaseException as error:
            await self._clients.aclose()
            if isinstance(error, KafkaError):
                raise EvidenceError(f"{whom}: {error}") from error
            raise
        self._task = asyncio.create_task(self._watch(admin, consumer), name="group watch")

    async def stop(self) -> None:
        """Take no more samples. Idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(KafkaError, TimeoutError):  # the broker may have gone before
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._clients.aclose()

    def mark(self, name: str) -> None:
        """Name this moment."""
        self.marks[name] = datetime.now(UTC)

    def samples(self, group: str) -> list[GroupSample]:
        """What was seen of `group`, oldest first. Raises KeyError for one that isn't watched."""
        return list(self._samples[group])

    def latest(self, group: str) -> GroupSample:
        """The last sample of `group`."""
        return self._samples[group][-1]

    def lag_series(self) -> list[Series]:
        """The lag of each group over time, labelled `group`."""
        return [
            Series({"group": group}, tuple((sample.at, float(sample.total_lag)) for sample in samples))
            for group, samples in self._samples.items()
        ]

    async def _watch(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
        while True:
            await asyncio.sleep(self._interval_seconds)
            with suppress(KafkaError, EvidenceError, TimeoutError):
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    await self._look(admin, consumer)

    async def _look(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
        places = await partitions(admin, [self.topic])
        for name, samples in self._samples.items():
            group = await _described(admin, name)
            committed = await commits(admin, name)
            # Ends last: a commit is never beyond them then.
            ends = await consumer.end_offsets(places)
            lag = {
                place.partition: ends[place] - (committed[place].offset if place in committed else 0)
                for place in places
            }
            samples.append(GroupSample(datetime.now(UTC), group.state, group.owners(self.topic), lag))


async def _described(admin: AIOKafkaAdminClient, name: str) -> Group:
    """The group of this name. A new Kafka has no coordinator at first, or one that isn't ready to be it yet.

    The caller bounds the wait.

    One a request: aiokafka 0.14 misreads an answer (DescribeGroups, version 3) that holds several.
    """
    while True:
        with suppress(*NOT_YET):
            answers: list[Any] = await admin.describe_consumer_groups([name])
            group = answers[0].groups[0]
            if for_code(group[0]) not in NOT_YET:
                return _group(group)
        await asyncio.sleep(RETRY_SECONDS)


def _group(raw: tuple[int, str, str, str, str, list[tuple[str, str, str, bytes, bytes]]]) -> Group:
    """A group of a DescribeGroups answer (version 0 and later)."""
    code, name, state, _, _, members, *_ = raw
    if code:
        raise EvidenceError(f"group {name}: {for_code(code).__name__}")
    return Group(
        name,
        state,
        tuple(
            Member(member_id, client_id, host.removeprefix("/"), _partitions_of(assignment))
            for member_id, client_id, host, _, assignment in sorted(members)
        ),
    )


def _partitions_of(assignment: bytes) -> tuple[tuple[str, int], ...]:
    if not assignment:  # a group that rebalances has none to tell
        return ()
    held = ConsumerProtocolMemberAssignment.decode(assignment).partitions()
    return tuple(sorted((place.topic, place.partition) for place in held))
