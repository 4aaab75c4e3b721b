"""The orchestrator: stores where a saga stands before each step, runs the step, goes on or turns back."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from workbook_lib.kit.backoff import Backoff
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.coordination.coordinator import Coordinator, States, as_service_error, is_refusal
from workbook_lib.kit.coordination.log import Event, Held, Record
from workbook_lib.kit.failpoints import failpoint
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.saga.model import Call, Saga, SagaContext, SagaLog, SagaOutcome, SagaState, Step
from workbook_lib.kit.storage import Database

__all__ = ["Orchestrator"]

_log = get_logger(__name__)

_STATES = States(SagaState.RUNNING, (SagaState.RUNNING, SagaState.COMPENSATING), SagaState.PARKED)


class Orchestrator(Coordinator[SagaOutcome]):
    """Drives sagas of one kind. `service.add_worker(name, orchestrator.run_forever)` lets it resume.

    A step that is refused turns the saga back: what has been done is compensated, in reverse order. One that
    fails otherwise is tried `attempts` times in all; then it is compensated too, since nobody knows what it
    has done. A compensation is tried until it succeeds; after `compensation_attempts`, or when it is refused,
    the saga is parked for a person, who lets it go on with `unpark`.

    `on_end(session, outcome)` writes in the transaction that stores the end. Failpoints, by which crashes are
    tested: `<saga>.<step>.stored` and `.done`, `.compensating` and `.compensated`, `<saga>.ended`.
    """

    def __init__(
        self,
        saga: Saga,
        log: SagaLog,
        database: Database,
        *,
        on_end: Callable[[AsyncSession, SagaOutcome], Awaitable[None]] | None = None,
        owner: str = "",
        attempts: int = 3,
        compensation_attempts: int = 30,
        lease_seconds: float = 10.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__(
            saga.name, log, database, _STATES, on_end, owner=owner, lease_seconds=lease_seconds, clock=clock
        )
        self._steps = saga.steps
        self._attempts = attempts
        self._compensation_attempts = compensation_attempts

    async def unpark(self, saga_id: str) -> None:
        """Try the compensation of a parked saga again. Raises NotFound, and Conflict unless it is parked."""
        await self._reopen(saga_id, SagaState.COMPENSATING)

    async def _advance(self, held: Held, fresh: bool) -> None:
        in_doubt = not fresh  # a crash may have come after the step's effect
        pauses = Backoff(0.1, 1.0)
        while held.record.state == SagaState.RUNNING:
            step = self._steps[held.record.position]
            failpoint(f"{self.name}.{step.name}.stored")
            try:
                result = await self._run_step(held, step, step.action)
            except Exception as error:  # noqa: BLE001 - whatever it was, the saga goes back or tries again
                if is_refusal(error) or held.record.attempts + 1 >= self._attempts:
                    await self._turn_back(held, step, error, include=in_doubt or not is_refusal(error))
                    break
                in_doubt = True
                failed = Event(step.name, "failed", repr(error))
                await held.store(failed, attempts=held.record.attempts + 1)
                await self._clock.sleep(pauses.next())
                continue
            failpoint(f"{self.name}.{step.name}.done")
            await self._go_on(held, step, result)
            in_doubt = False
            pauses.reset()
        await self._compensate(held)

    async def _go_on(self, held: Held, step: Step, result: dict[str, JsonValue]) -> None:
        done = Event(step.name, "done")
        following = held.record.position + 1
        if following == len(self._steps):
            await self._end(held, SagaState.COMPLETED, done, result=result)
        else:
            started = Event(self._steps[following].name, "started")
            await held.store(done, started, position=following, result=result)

    async def _turn_back(self, held: Held, step: Step, error: Exception, *, include: bool) -> None:
        """Store that the saga goes back, from this step itself (`include`) or from the one before it."""
        _log.info("saga turns back", saga=self.name, saga_id=held.record.id, step=step.name, cause=str(error))
        why = Event(step.name, "refused" if is_refusal(error) else "failed", repr(error))
        await self._go_back(held, held.record.position - (not include), why, error=as_service_error(error))

    async def _compensate(self, held: Held) -> None:
        pauses = Backoff(0.1, 3.0)
        while held.record.state == SagaState.COMPENSATING:
            step = self._steps[held.record.position]
            failpoint(f"{self.name}.{step.name}.compensating")
            try:
                result = await self._run_step(held, step, cast("Call", step.compensation))
            except Exception as error:  # noqa: BLE001 - it must succeed sometime, whatever it was
                failed = Event(step.name, "compensation failed", repr(error))
                if is_refusal(error) or held.record.attempts + 1 >= self._compensation_attempts:
                    await self._park(held, error, failed)
                    return
                await held.store(failed, attempts=held.record.attempts + 1)
                await self._clock.sleep(pauses.next())
                continue
            failpoint(f"{self.name}.{step.name}.compensated")
            compensated = Event(step.name, "compensated")
            await self._go_back(held, held.record.position - 1, compensated, result=result)
            pauses.reset()

    async def _go_back(self, held: Held, position: int, *events: Event, **changes: Any) -> None:  # noqa: ANN401
        """Store which compensation comes next, at `position` or before it; without any the saga has ended."""
        while position >= 0 and self._steps[position].compensation is None:
            position -= 1
        if position < 0:
            await self._end(held, SagaState.COMPENSATED, *events, **changes)
        else:
            started = Event(self._steps[position].name, "compensating")
            await held.store(*events, started, state=SagaState.COMPENSATING, position=position, **changes)

    async def _run_step(self, held: Held, step: Step, call: Call) -> dict[str, JsonValue]:
        context = SagaContext(held.record.id, step.name, dict(held.record.data))
        name = f"{self.name} {step.name}" if call is step.action else f"{self.name} compensate {step.name}"
        return await self._call(name, call, context)

    def _first_step(self) -> str:
        return self._steps[0].name

    def _outcome(self, record: Record) -> SagaOutcome:
        return SagaOutcome(record.id, SagaState(record.state), dict(record.data), record.error)

    def _is_settled(self, outcome: SagaOutcome) -> bool:
        return outcome.ended or outcome.state is SagaState.PARKED
