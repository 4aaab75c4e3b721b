"""Drives stored transactions to their end: begun here, left by a crash, or taken over from another."""

import asyncio
import contextvars
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from opentelemetry import context as otel_context
from pydantic import JsonValue
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from workbook_lib.kit import telemetry
from workbook_lib.kit.clock import Clock
from workbook_lib.kit.coordination.log import (
    Event,
    Held,
    Lease,
    LeaseLost,
    Record,
    StepRecord,
    TransactionLog,
)
from workbook_lib.kit.errors import DeadlineExceeded, Internal, ServiceError, Unavailable
from workbook_lib.kit.failpoints import failpoint
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.storage import Database

__all__ = ["Coordinator", "States", "as_service_error", "is_refusal"]

_log = get_logger(__name__)

_SWEEP_SECONDS = 1.0
_ELSEWHERE_SECONDS = 0.1
_MAX_RUNNING = 100

OutcomeT = TypeVar("OutcomeT")
CallT = TypeVar("CallT")


class States(NamedTuple):
    """What a transaction's states mean: those to be driven on, and the one in which it waits for a person."""

    first: str
    unfinished: tuple[str, ...]
    parked: str


def is_refusal(error: Exception) -> bool:
    """Whether an error says for certain that nothing was done, and that nothing will be if asked again.

    A failure of the other side (500 and above) says neither: it may have come after the effect.
    """
    return isinstance(error, ServiceError) and error.status < 500 and not error.retryable


class Coordinator(ABC, Generic[OutcomeT]):
    """Begins transactions and drives them; what a step is, a subclass knows.

    `owner` is the instance's name: a process that is started again under it takes its own transactions over
    at once, others wait until the lease of `lease_seconds` has run out. A single call gets half of that.
    """

    def __init__(
        self,
        name: str,
        log: TransactionLog,
        database: Database,
        states: States,
        on_end: Callable[[AsyncSession, OutcomeT], Awaitable[None]] | None,
        *,
        owner: str,
        lease_seconds: float,
        clock: Clock,
    ) -> None:
        self.name = name
        self._log = log
        self._database = database
        self._states = states
        self._on_end = on_end
        self._lease = Lease(owner, uuid.uuid4().hex, lease_seconds)
        self._clock = clock
        self._running: dict[str, asyncio.Task[OutcomeT | None]] = {}
        self._fresh: set[str] = set()
        """Begun by this process and not driven yet: no step of theirs can have run."""
        self._wake = asyncio.Event()

    async def begin(self, session: AsyncSession, id_: str, data: Mapping[str, JsonValue]) -> None:
        """Store a new transaction with the caller's own; it is driven from that commit on.

        Raises IntegrityError when there is one with this id.
        """
        trace: dict[str, str] = {}
        telemetry.inject(trace)
        record = Record(id_, self._states.first, 0, 0, dict(data), None, trace)
        first = Event(self._first_step(), "started")
        await self._log.add(session, self.name, record, self._lease, self._clock, first)

        @event.listens_for(session.sync_session, "after_commit", once=True)
        def committed(_: object) -> None:
            self._fresh.add(id_)
            self._wake.set()

    async def run(self, id_: str) -> OutcomeT:
        """Drive a transaction to its end, or wait while another process does; then how it ended.

        Who waits here may be cancelled: the transaction goes on. Raises NotFound; Unavailable when the
        service stops meanwhile (it goes on after the restart).
        """
        while True:
            task = self._start(id_)
            await asyncio.wait({task})
            if task.cancelled():
                raise Unavailable(f"{self.name} {id_} goes on after a restart")
            outcome = task.result() or await self.outcome(id_)
            if self._is_settled(outcome):
                return outcome
            await self._clock.sleep(_ELSEWHERE_SECONDS)

    async def outcome(self, id_: str) -> OutcomeT:
        """Where a transaction stands, as it is stored. Raises NotFound."""
        async with self._database.session(read_only=True) as session:
            return self._outcome(await self._log.get(session, self.name, id_))

    async def history(self, id_: str) -> list[StepRecord]:
        """What its steps came to, in order."""
        async with self._database.session(read_only=True) as session:
            return await self._log.history(session, self.name, id_)

    async def run_forever(self) -> None:
        """Drive whatever is begun or was left unfinished, until cancelled; a worker of the service.

        Cancelled, it ends what is under way between two awaits and gives its leases back.
        """
        next_sweep = self._clock.monotonic()
        try:
            while True:
                for id_ in tuple(self._fresh):
                    self._start(id_)
                if self._clock.monotonic() >= next_sweep:
                    await self._sweep()
                    next_sweep = self._clock.monotonic() + _SWEEP_SECONDS
                await self._pause(next_sweep - self._clock.monotonic())
        finally:
            await self._leave()

    async def _sweep(self) -> None:
        """Take up what nobody drives. A database that doesn't answer is asked again with the next sweep."""
        try:
            async with self._database.session(read_only=True) as session:
                unfinished = self._states.unfinished
                due = await self._log.due(session, self.name, unfinished, self._lease, self._clock)
        except (SQLAlchemyError, OSError, Unavailable) as error:
            _log.warning("unfinished transactions not read", transactions=self.name, cause=repr(error))
            return
        for id_ in due[: max(0, _MAX_RUNNING - len(self._running))]:
            self._start(id_)

    async def _pause(self, seconds: float) -> None:
        woken = asyncio.ensure_future(self._wake.wait())
        slept = asyncio.ensure_future(self._clock.sleep(max(0.0, seconds)))
        try:
            await asyncio.wait({woken, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            slept.cancel()
        self._wake.clear()

    async def _leave(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            async with self._database.session() as session:
                await self._log.release(session, self.name, self._lease.token)
        except (SQLAlchemyError, OSError, Unavailable) as error:
            _log.warning("leases not given back", transactions=self.name, cause=repr(error))

    def _start(self, id_: str) -> asyncio.Task[OutcomeT | None]:
        if id_ not in self._running:
            # Not in the caller's context: a call's deadline must not end with the caller's patience.
            drive = self._drive(id_)
            task = asyncio.create_task(drive, name=f"{self.name}:{id_}", context=contextvars.Context())
            self._running[id_] = task
            task.add_done_callback(lambda _: self._running.pop(id_, None))
        return self._running[id_]

    async def _drive(self, id_: str) -> OutcomeT | None:
        """The outcome; None when it isn't ours to drive or couldn't be driven on now."""
        fresh = id_ in self._fresh
        self._fresh.discard(id_)
        try:
            unfinished = self._states.unfinished
            held = await self._log.claim(self._database, self.name, id_, unfinished, self._lease, self._clock)
            if held is None:
                return None
            if not fresh:
                _log.info("taken up", transaction=id_, of=self.name, state=held.record.state)
            await self._traced(held, fresh)
            return self._outcome(held.record)
        except LeaseLost:
            _log.warning("taken over by another process", transaction=id_, of=self.name)
        except Exception:  # noqa: BLE001 - the next sweep takes it up again
            _log.exception("not driven on", transaction=id_, of=self.name)
        return None

    async def _traced(self, held: Held, fresh: bool) -> None:
        token = otel_context.attach(telemetry.extract(held.record.trace))
        try:
            with telemetry.tracer().start_as_current_span(self.name) as span:
                span.set_attribute("transaction.id", held.record.id)
                await self._advance(held, fresh)
                span.set_attribute("transaction.state", held.record.state)
        finally:
            otel_context.detach(token)

    async def _call(
        self,
        span_name: str,
        call: Callable[[CallT], Awaitable[Mapping[str, JsonValue] | None]],
        context: CallT,
    ) -> dict[str, JsonValue]:
        """Let a step run, within half a lease; what it returns. Raises what it raises."""
        seconds = self._lease.seconds / 2
        with telemetry.tracer().start_as_current_span(span_name):
            try:
                async with asyncio.timeout(seconds) as bound:
                    return dict(await call(context) or {})
            except TimeoutError as error:
                if bound.expired():
                    raise DeadlineExceeded(f"{span_name}: no answer in {seconds:g} s") from error
                raise

    async def _end(self, held: Held, state: str, *events: Event, **changes: Any) -> None:  # noqa: ANN401
        """Store the final state together with what `on_end` writes."""

        async def also(session: AsyncSession) -> None:
            if self._on_end is not None:
                await self._on_end(session, self._outcome(held.record))

        await held.store(*events, also=also, state=state, **changes)
        failpoint(f"{self.name}.ended")

    async def _park(self, held: Held, error: Exception, last: Event) -> None:
        _log.error("parked for a person", transaction=held.record.id, of=self.name, cause=repr(error))
        why = held.record.error or as_service_error(error)  # what made it turn back stays the reason
        await held.store(last, Event(last.step, "parked"), state=self._states.parked, error=why)

    async def _reopen(self, id_: str, state: str) -> None:
        async with self._database.session() as session:
            await self._log.reopen(session, self.name, id_, self._states.parked, state, self._clock)
        self._start(id_)

    @abstractmethod
    def _first_step(self) -> str: ...

    @abstractmethod
    def _outcome(self, record: Record) -> OutcomeT: ...

    @abstractmethod
    def _is_settled(self, outcome: OutcomeT) -> bool: ...

    @abstractmethod
    async def _advance(self, held: Held, fresh: bool) -> None:
        """Drive until it has ended or is parked; `fresh`: no step of it can have run."""


def as_service_error(error: Exception) -> ServiceError:
    """An error as it is stored: what isn't a `ServiceError` is a fault of our own."""
    return error if isinstance(error, ServiceError) else Internal(f"{type(error).__name__}: {error}")
