"""The coordinator: asks all to prepare, writes the decision down, has it carried out, and recovers."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import NoReturn

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from workbook_lib.kit.backoff import Backoff
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import DeadlineExceeded, Unavailable
from workbook_lib.kit.failpoints import failpoint
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.storage import Database
from workbook_lib.kit.two_phase.log import DecisionLog
from workbook_lib.kit.two_phase.prepared import (
    GlobalId,
    commit_prepared,
    list_prepared,
    prepare,
    roll_back_prepared,
    sqlstate,
)

__all__ = ["RowsLocked", "Transaction", "TwoPhaseCoordinator"]

_LOCK_NOT_AVAILABLE = "55P03"
_DEADLOCK_DETECTED = "40P01"
_FORGET_AFTER = 100
_LOOK_SECONDS = 5.0

_log = get_logger(__name__)


class RowsLocked(Unavailable):
    """Another transaction, perhaps one in doubt, holds rows that this one needs."""

    code = 50302
    public_message = "The data is locked by another transaction; try again."


class Transaction:
    """One transaction in several databases: a session in each participant, by name, and `own`.

    What is done in `own`, the coordinator's database, commits together with the decision.
    """

    def __init__(self, own: AsyncSession, sessions: Mapping[str, AsyncSession]) -> None:
        self.own = own
        self._sessions = sessions

    def __getitem__(self, participant: str) -> AsyncSession:
        return self._sessions[participant]


class TwoPhaseCoordinator:
    """Commits in all `participants` (PostgreSQL databases) or in none; presumed abort.

    Between its vote and the decision a participant can do nothing but wait, with its locks held. Should the
    coordinator die then, they stay locked until `run_forever` of a coordinator with the same `name` and
    `owner` (the service's instance) looks into the `log`, in the coordinator's own `database`, and resolves
    what is in doubt.

    A statement waits for a lock for at most `lock_timeout_seconds`: a deadlock that spans databases is seen
    by none of them.
    """

    def __init__(
        self,
        name: str,
        participants: Mapping[str, Database],
        log: DecisionLog,
        database: Database,
        *,
        owner: str,
        lock_timeout_seconds: float = 2.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name = name
        self._participants = dict(participants)
        self._log = log
        self._database = database
        self._owner = owner
        self._lock_timeout_ms = max(1, round(lock_timeout_seconds * 1000))
        self._clock = clock
        self._running: set[str] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._carried_out: set[str] = set()
        self._to_recover = asyncio.Event()

    @asynccontextmanager
    async def transaction(self, tx: str) -> AsyncIterator[Transaction]:
        """Open a transaction with the unique name `tx`; at the end of the block it commits everywhere.

        An exception in the block, and a participant that can't prepare, roll all of it back. After the
        decision it returns at once even when a participant can't be reached: that one commits later. Raises
        `RowsLocked`, Unavailable, and DeadlineExceeded when the decision itself is in doubt.
        """
        gids = {name: GlobalId(self.name, self._owner, tx, name) for name in self._participants}
        _ = [
            str(gid) for gid in gids.values()
        ]  # a name that can't be used is refused before anything is done
        self._running.add(tx)
        try:
            async with AsyncExitStack() as stack:
                own = await stack.enter_async_context(self._database.session())
                sessions = {
                    name: await stack.enter_async_context(self._begun(database))
                    for name, database in self._participants.items()
                }
                yield Transaction(own, sessions)
                opened = stack.pop_all()
        except BaseException as error:  # noqa: BLE001 - raised again
            self._running.discard(tx)
            _reraise(error)
        # From here on the caller may leave: what has been prepared must be decided.
        task = asyncio.create_task(self._end(tx, gids, own, sessions, opened), name=f"two-phase {tx}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        await asyncio.shield(task)

    async def recover(self) -> int:
        """Resolve what a crash or an outage has left in doubt; how many prepared transactions that were.

        Raises an error of the database when one can't be reached.
        """
        resolved = 0
        for database in self._participants.values():
            for gid in await list_prepared(database, self.name, self._owner):
                if gid.tx in self._running:
                    continue
                committed = await self._log.committed(self._database, gid.tx)
                await (commit_prepared if committed else roll_back_prepared)(database, gid)
                _log.info("in doubt no longer", transaction=str(gid), committed=committed)
                resolved += 1
        if self._carried_out:
            ended, self._carried_out = self._carried_out, set()
            await self._log.forget(self._database, ended)
        return resolved

    async def run_forever(self) -> None:
        """The worker: recovers at start, whenever something was left behind, and every few seconds: a server
        may prepare after its client's death what it was told to before.
        """
        backoff = Backoff(0.2, 5.0)
        while True:
            self._to_recover.clear()
            try:
                await self.recover()
            except (SQLAlchemyError, OSError, Unavailable) as error:
                _log.warning("transactions may stay in doubt", cause=str(error))
                await self._clock.sleep(backoff.next())
            else:
                backoff.reset()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._to_recover.wait(), _LOOK_SECONDS)

    async def stop(self) -> None:
        """Wait for the transactions that are being decided."""
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def start(self) -> None:
        """Nothing to do before the first transaction."""

    @asynccontextmanager
    async def _begun(self, database: Database) -> AsyncIterator[AsyncSession]:
        async with database.session() as session:
            await session.execute(text(f"SET LOCAL lock_timeout = {self._lock_timeout_ms}"))
            yield session

    async def _end(
        self,
        tx: str,
        gids: Mapping[str, GlobalId],
        own: AsyncSession,
        sessions: Mapping[str, AsyncSession],
        opened: AsyncExitStack,
    ) -> None:
        try:
            try:
                # Left in reverse order, `own` last: its commit is the decision.
                async with opened:
                    await self._prepare_all(gids, sessions)
                    await self._log.commit(own, tx)
            except _VotedNo as refusal:
                await self._carry_out(gids, roll_back_prepared)
                _reraise(refusal.cause)
            except (SQLAlchemyError, OSError) as error:
                self._to_recover.set()
                raise DeadlineExceeded(f"whether {tx} is committed isn't known yet: {error}") from error
            failpoint(f"{self.name}.decided")
            if await self._carry_out(gids, commit_prepared, f"{self.name}.committed"):
                self._carried_out.add(tx)
        finally:
            self._running.discard(tx)
            if len(self._carried_out) >= _FORGET_AFTER:
                self._to_recover.set()

    async def _prepare_all(self, gids: Mapping[str, GlobalId], sessions: Mapping[str, AsyncSession]) -> None:
        """Phase one: all are asked at once, and all have answered when this returns. Raises _VotedNo."""
        votes = itertools.count(1)

        async def ask(name: str, session: AsyncSession) -> None:
            await prepare(session, gids[name])
            failpoint(f"{self.name}.prepared.{next(votes)}")

        asked = (ask(name, session) for name, session in sessions.items())
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise _VotedNo(answer)

    async def _carry_out(
        self,
        gids: Mapping[str, GlobalId],
        order: Callable[[Database, GlobalId], Awaitable[None]],
        step: str = "",
    ) -> bool:
        """Phase two: whether all have done it. Who couldn't be reached is left to the worker."""
        done = itertools.count(1)

        async def tell(name: str, gid: GlobalId) -> None:
            await order(self._participants[name], gid)
            if step:
                failpoint(f"{step}.{next(done)}")

        answers = await asyncio.gather(
            *(tell(name, gid) for name, gid in gids.items()), return_exceptions=True
        )
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        for failure in failures:
            _log.warning("a decision waits for its participant", cause=str(failure))
            self._to_recover.set()
        return not failures


class _VotedNo(Exception):
    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _reraise(error: BaseException) -> NoReturn:
    """Raise it, as the typed error that it stands for where there is one."""
    if isinstance(error, DBAPIError) and sqlstate(error) in (_LOCK_NOT_AVAILABLE, _DEADLOCK_DETECTED):
        raise RowsLocked("another transaction holds the rows") from error
    if isinstance(error, OSError) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        raise Unavailable(f"a database can't be reached: {error}") from error
    raise error
