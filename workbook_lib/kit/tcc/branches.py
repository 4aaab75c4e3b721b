"""A participant's side of TCC: which of the three calls counts, whatever order they come in.

(nothing) ──Try──► TRIED ──Confirm──► CONFIRMED
    │                └─────Cancel───► CANCELLED
    └────Cancel──────────────────────────▲      an empty cancel; the Try that comes late is refused
"""

from enum import StrEnum

from sqlalchemy import Column, MetaData, String, Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from workbook_lib.kit.errors import Conflict
from workbook_lib.kit.upserts import insert_if_absent

__all__ = ["BranchConflict", "BranchState", "Branches", "LateTry"]


class BranchConflict(Conflict):
    """It comes too late: the opposite has been decided before, or there is nothing to confirm."""

    code = 40903


class LateTry(BranchConflict):
    """The transaction was cancelled before this Try came: what it reserved, nobody would give back."""


class BranchState(StrEnum):
    """What became of this service's part of a transaction."""

    TRIED = "TRIED"
    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"


class Branches:
    """The table `tcc_branches` in a service's metadata: a row for each transaction that it takes part in.

    Each method is called in the transaction of its effect, and says whether the effect is due: exactly one
    call says so, however often and in whatever order they come. Of a Confirm and a Cancel at the same time
    the one that commits first wins, and the other is refused.
    """

    def __init__(self, metadata: MetaData) -> None:
        self._table = Table(
            "tcc_branches",
            metadata,
            Column("tx", String, primary_key=True),
            Column("state", String, nullable=False),
        )

    async def tried(self, session: AsyncSession, tx: str) -> bool:
        """Whether to reserve now; False for a repetition. Raises LateTry after a Cancel."""
        if await self._is_new(session, tx, BranchState.TRIED):
            return True
        if await self._state(session, tx) == BranchState.CANCELLED:
            raise LateTry(f"{tx} was cancelled before this try")
        return False

    async def confirmed(self, session: AsyncSession, tx: str) -> bool:
        """Whether to make final now; False for a repetition.

        Raises BranchConflict after a Cancel, or when nothing was reserved.
        """
        if await self._change(session, tx, BranchState.CONFIRMED):
            return True
        state = await self._state(session, tx)
        if state != BranchState.CONFIRMED:
            raise BranchConflict(f"{tx} can't be confirmed: it {'is ' + state if state else 'was not tried'}")
        return False

    async def cancelled(self, session: AsyncSession, tx: str) -> bool:
        """Whether to give back now; False when nothing was reserved (which is recorded) or for a repetition.

        Raises BranchConflict after a Confirm.
        """
        if await self._is_new(session, tx, BranchState.CANCELLED):
            return False
        if await self._change(session, tx, BranchState.CANCELLED):
            return True
        if await self._state(session, tx) == BranchState.CONFIRMED:
            raise BranchConflict(f"{tx} can't be cancelled: it is {BranchState.CONFIRMED}")
        return False

    async def _is_new(self, session: AsyncSession, tx: str, state: BranchState) -> bool:
        return await insert_if_absent(session, self._table, {"tx": tx, "state": state})

    async def _change(self, session: AsyncSession, tx: str, state: BranchState) -> bool:
        """Whether it was TRIED. The condition is part of the update: of two at once, one finds it false."""
        table = self._table
        statement = update(table).where(table.c.tx == tx, table.c.state == BranchState.TRIED)
        return (
            await session.execute(statement.values(state=state).returning(table.c.tx))
        ).first() is not None

    async def _state(self, session: AsyncSession, tx: str) -> str | None:
        state: str | None = await session.scalar(select(self._table.c.state).where(self._table.c.tx == tx))
        return state
