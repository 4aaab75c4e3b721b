"""The coordinator's memory: which transactions were decided, and how."""

from collections.abc import Collection

from sqlalchemy import Column, DateTime, MetaData, String, Table, delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from workbook_lib.kit.storage import Database

__all__ = ["DecisionLog"]

_COMMIT, _ABORT = "COMMIT", "ABORT"


class DecisionLog:
    """The table `two_phase_decisions` in the metadata of the coordinator's own database.

    A commit is written down before anybody is told. Of a transaction that isn't there it is presumed that
    it was aborted (Mohan, Lindsay and Obermarck, 1986); an abort is only written down for one in doubt, so
    that a commit which is still on its way can't come after it.
    """

    def __init__(self, metadata: MetaData) -> None:
        self._table = Table(
            "two_phase_decisions",
            metadata,
            Column("tx", String(100), primary_key=True),
            Column("decision", String(6), nullable=False),
            Column("decided_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
        )

    async def commit(self, session: AsyncSession, tx: str) -> None:
        """Decide to commit: it counts once the session's transaction has. IntegrityError after an abort."""
        await session.execute(insert(self._table).values(tx=tx, decision=_COMMIT))

    async def committed(self, database: Database, tx: str) -> bool:
        """Whether one in doubt was decided to commit; if not, it is aborted from now on."""
        try:
            async with database.session() as session:
                # Waits for a commit of the same key that is under way, and then fails.
                await session.execute(insert(self._table).values(tx=tx, decision=_ABORT))
        except IntegrityError:
            async with database.session(read_only=True) as session:
                found = await session.scalar(select(self._table.c.decision).where(self._table.c.tx == tx))
            return found == _COMMIT
        return False

    async def forget(self, database: Database, txs: Collection[str]) -> None:
        """Drop those whose participants have all carried out the decision: nobody will ask again."""
        async with database.session() as session:
            await session.execute(delete(self._table).where(self._table.c.tx.in_(txs)))
