"""The payments' own database: a ledger."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.payments.domain import HELD, OPENING, SHOP, Kind, account_of
from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.messaging import Inbox, Outbox
from workbook_lib.kit.storage import Database
from workbook_lib.kit.tcc import Branches

__all__ = ["BRANCHES", "INBOX", "OUTBOX", "Base", "Ledger", "PaymentRow"]


class Base(DeclarativeBase):
    """The payments' tables."""


OUTBOX = Outbox(Base.metadata)
INBOX = Inbox(Base.metadata)
BRANCHES = Branches(Base.metadata)


class AccountRow(Base):
    """An account; its balance is the sum of its entries, kept here so that a check is one statement."""

    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("balance_cents >= 0 OR id = 'opening'"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    balance_cents: Mapped[int]


class EntryRow(Base):
    """Half of a transfer: what one account got, or, below zero, gave. Entries are only ever added."""

    __tablename__ = "entries"
    # Whatever went wrong above it: no order is charged twice, and none is refunded twice.
    __table_args__ = (UniqueConstraint("order_id", "kind", "account_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    transfer_id: Mapped[str] = mapped_column(index=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    order_id: Mapped[str | None]
    kind: Mapped[str]
    amount_cents: Mapped[int]


class PaymentRow(Base):
    """Where an order's `Payment` stands; without a user it is a tombstone: refunded before it was charged."""

    __tablename__ = "payments"

    order_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str]
    amount_cents: Mapped[int]
    status: Mapped[str]


class Ledger:
    """Accounts, and the transfers between them. As a resource it opens the accounts at start.

    What takes a session is part of the caller's transaction.
    """

    def __init__(
        self, database: Database, seed_file: Path | None = None, *, opening_balance_cents: int = 0
    ) -> None:
        self._database = database
        self._seed_file = seed_file
        self._opening_balance_cents = opening_balance_cents

    async def start(self) -> None:
        """Open the shop's own accounts and those of the seed, when there are none yet."""
        text = "[]" if self._seed_file is None else self._seed_file.read_text(encoding="utf-8")
        users: list[dict[str, Any]] = json.loads(text)
        try:
            async with self._database.session() as session:
                if await session.get(AccountRow, OPENING) is not None:
                    return
                own = [{"id": name, "balance_cents": 0} for name in (OPENING, HELD, SHOP)]
                await session.execute(insert(AccountRow), own)
                for user in users:
                    await _open(session, account_of(user["user_id"]), user["balance_cents"])
        except IntegrityError:
            pass  # Another instance on the same database was faster.

    async def stop(self) -> None:
        """Nothing is held open."""

    async def balance(self, session: AsyncSession, user_id: str) -> int:
        """What a user has, or will have: the opening balance, if no account is open yet."""
        found = await session.scalar(
            select(AccountRow.balance_cents).where(AccountRow.id == account_of(user_id))
        )
        return self._opening_balance_cents if found is None else found

    async def open(self, session: AsyncSession, user_id: str) -> None:
        """Give a user who has none an account with the opening balance."""
        if await session.get(AccountRow, account_of(user_id)) is None:
            await _open(session, account_of(user_id), self._opening_balance_cents)

    async def payment(self, session: AsyncSession, order_id: str) -> PaymentRow | None:
        """An order's payment as it stands, locked until the transaction's end where the database can."""
        return await session.get(PaymentRow, order_id, with_for_update=True)

    async def move(
        self, session: AsyncSession, giver: str, taker: str, amount_cents: int, *, kind: Kind, order_id: str
    ) -> bool:
        """Transfer money between two accounts; False, and nothing done, when the giver has too little."""
        return await _move(session, giver, taker, amount_cents, kind=kind, order_id=order_id)


async def _open(session: AsyncSession, account: str, balance_cents: int) -> None:
    try:
        await session.execute(insert(AccountRow).values(id=account, balance_cents=0))
    except IntegrityError as error:  # PostgreSQL: somebody else opens it at this moment
        raise Unavailable(f"account {account} is just being opened") from error
    if balance_cents:
        await _move(session, OPENING, account, balance_cents, kind=Kind.OPENING, order_id=None)


async def _move(
    session: AsyncSession, giver: str, taker: str, amount_cents: int, *, kind: Kind, order_id: str | None
) -> bool:
    # The check and the subtraction are one statement, so that nobody spends the same money twice.
    enough = (AccountRow.balance_cents >= amount_cents) | (AccountRow.id == OPENING)
    given = await session.execute(
        update(AccountRow)
        .where(AccountRow.id == giver, enough)
        .values(balance_cents=AccountRow.balance_cents - amount_cents)
        .returning(AccountRow.id)
        .execution_options(synchronize_session=False)
    )
    if given.scalar_one_or_none() is None:
        return False
    await session.execute(
        update(AccountRow)
        .where(AccountRow.id == taker)
        .values(balance_cents=AccountRow.balance_cents + amount_cents)
        .execution_options(synchronize_session=False)
    )
    both = {"transfer_id": uuid4().hex, "order_id": order_id, "kind": kind}
    entries = [
        both | {"account_id": giver, "amount_cents": -amount_cents},
        both | {"account_id": taker, "amount_cents": amount_cents},
    ]
    await session.execute(insert(EntryRow), entries)
    return True
