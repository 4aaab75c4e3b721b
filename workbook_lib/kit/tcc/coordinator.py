"""The coordinator's side of TCC: tries all, stores what is decided, carries it out."""

from collections.abc import Awaitable, Callable, Sequence

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from workbook_lib.kit.backoff import Backoff
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.coordination.coordinator import Coordinator, States, as_service_error, is_refusal
from workbook_lib.kit.coordination.log import Event, Held, Record
from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.failpoints import failpoint
from workbook_lib.kit.storage import Database
from workbook_lib.kit.tcc.model import Call, Participant, TccContext, TccLog, TccOutcome, TccState

__all__ = ["TccCoordinator"]

_STATES = States(
    TccState.TRYING, (TccState.TRYING, TccState.CONFIRMING, TccState.CANCELLING), TccState.PARKED
)


class TccCoordinator(Coordinator[TccOutcome]):
    """Drives TCC transactions of one kind; `service.add_worker(name, coordinator.run_forever)`.

    Each participant is tried once, in order. When all have reserved, the decision is to confirm; one that
    refuses, fails or is late makes it a cancel, of that one too unless it has refused. What was decided is
    stored first, then carried out, each call tried up to `attempts` times; then the transaction is parked for
    a person. A process that died while trying has decided nothing, and that counts as a cancel (presumed
    abort).

    `on_end(session, outcome)` writes in the transaction that stores the end. Failpoints:
    `<name>.<participant>.trying` and `.tried`, `<name>.decided`, `<name>.<participant>.confirmed` or
    `.cancelled`, `<name>.ended`.
    """

    def __init__(
        self,
        name: str,
        participants: Sequence[Participant],
        log: TccLog,
        database: Database,
        *,
        on_end: Callable[[AsyncSession, TccOutcome], Awaitable[None]] | None = None,
        owner: str = "",
        attempts: int = 30,
        lease_seconds: float = 10.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__(
            name, log, database, _STATES, on_end, owner=owner, lease_seconds=lease_seconds, clock=clock
        )
        self._participants = participants
        self._attempts = attempts

    async def unpark(self, tx: str) -> None:
        """Carry out again what was decided of a parked one. Raises NotFound; Conflict unless parked."""
        history = await self.history(tx)
        confirms = any(step.event == "decided to confirm" for step in history)
        await self._reopen(tx, TccState.CONFIRMING if confirms else TccState.CANCELLING)

    async def _advance(self, held: Held, fresh: bool) -> None:
        if held.record.state == TccState.TRYING:
            if fresh:
                await self._try_all(held)
            else:
                cause = Unavailable("the coordinator was lost before it had decided")
                await self._cancel_from(held, len(self._participants), cause)
            failpoint(f"{self.name}.decided")
        if held.record.state == TccState.CONFIRMING:
            await self._carry_out(held, TccState.CONFIRMED)
        elif held.record.state == TccState.CANCELLING:
            await self._carry_out(held, TccState.CANCELLED)

    async def _try_all(self, held: Held) -> None:
        """Try each, and store the decision."""
        found: dict[str, JsonValue] = {}
        events: list[Event] = []
        for number, participant in enumerate(self._participants):
            failpoint(f"{self.name}.{participant.name}.trying")
            context = TccContext(held.record.id, participant.name, held.record.data | found)
            try:
                found |= await self._make("try", participant.try_, context)
            except Exception as error:  # noqa: BLE001 - whatever it was, not all have reserved
                in_doubt = not is_refusal(error)
                events.append(Event(participant.name, "try failed" if in_doubt else "refused", repr(error)))
                await self._cancel_from(held, number + in_doubt, error, *events, found=found)
                return
            failpoint(f"{self.name}.{participant.name}.tried")
            events.append(Event(participant.name, "tried"))
        events.append(Event("", "decided to confirm"))
        await held.store(*events, state=TccState.CONFIRMING, position=len(self._participants), result=found)

    async def _cancel_from(
        self,
        held: Held,
        position: int,
        error: Exception,
        *events: Event,
        found: dict[str, JsonValue] | None = None,
    ) -> None:
        """Store that the first `position` participants are to be cancelled."""
        await held.store(
            *events,
            Event("", "decided to cancel"),
            state=TccState.CANCELLING,
            position=position,
            result=found,
            error=as_service_error(error),
        )

    async def _carry_out(self, held: Held, final: TccState) -> None:
        """Confirm all, or cancel those that may have reserved; then store the end.

        Nothing is stored in between: after a crash it is all done again, which changes nothing.
        """
        word = "confirm" if final == TccState.CONFIRMED else "cancel"
        events = []
        for participant in self._participants[: held.record.position]:
            if not await self._until_done(held, participant, word):
                return
            failpoint(f"{self.name}.{participant.name}.{final.lower()}")
            events.append(Event(participant.name, final.lower()))
        # What a confirmed one was parked for is over; the error of a cancelled one is why it was cancelled.
        error = None if final == TccState.CONFIRMED else held.record.error
        await self._end(held, final, *events, error=error)

    async def _until_done(self, held: Held, participant: Participant, word: str) -> bool:
        """Whether it succeeded; else the transaction is parked."""
        call = participant.confirm if word == "confirm" else participant.cancel
        context = TccContext(held.record.id, participant.name, dict(held.record.data))
        pauses = Backoff(0.1, 3.0)
        held.record.attempts = 0
        while True:
            try:
                await self._make(word, call, context)
            except Exception as error:  # noqa: BLE001 - it must succeed sometime, whatever it was
                failed = Event(participant.name, f"{word} failed", repr(error))
                if is_refusal(error) or held.record.attempts + 1 >= self._attempts:
                    await self._park(held, error, failed)
                    return False
                await held.store(failed, attempts=held.record.attempts + 1)
                await self._clock.sleep(pauses.next())
            else:
                return True

    async def _make(self, word: str, call: Call, context: TccContext) -> dict[str, JsonValue]:
        return await self._call(f"{self.name} {word} {context.participant}", call, context)

    def _first_step(self) -> str:
        return self._participants[0].name

    def _outcome(self, record: Record) -> TccOutcome:
        return TccOutcome(record.id, TccState(record.state), dict(record.data), record.error)

    def _is_settled(self, outcome: TccOutcome) -> bool:
        return outcome.ended or outcome.state is TccState.PARKED
