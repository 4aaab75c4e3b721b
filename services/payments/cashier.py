"""Charging and undoing it: each step of an order's payment, once however often it is asked for."""

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.payments.domain import (
    HELD,
    SHOP,
    Kind,
    Payment,
    PaymentRefused,
    PaymentStatus,
    TooLate,
    account_of,
)
from services.payments.store import Ledger, PaymentRow
from workbook_lib.kit.errors import Conflict, NotFound, Unavailable

__all__ = ["Cashier"]


class Cashier:
    """Moves an order's money. All methods are part of the caller's transaction, and harmless when repeated.

    A refusal changes nothing, so that the caller can go on and write down that it was refused.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def charge(self, session: AsyncSession, wanted: Payment) -> int:
        """User → shop. Returns what the user has left.

        Raises `PaymentRefused` when that is less than nothing, `TooLate` when the order was refunded before,
        Conflict when something else was charged for it.
        """
        return await self._take(session, wanted, SHOP, Kind.CHARGE, PaymentStatus.CHARGED)

    async def refund(self, session: AsyncSession, order_id: str) -> int:
        """Shop → user. Returns what was given back: 0 when nothing was charged, or it was refunded already.

        It is noted in any case, so that a charge that comes for this order later is refused.
        """
        payment = await self._ledger.payment(session, order_id)
        if payment is None:
            tombstone = PaymentRow(
                order_id=order_id, user_id="", amount_cents=0, status=PaymentStatus.REFUNDED
            )
            session.add(tombstone)
            return 0
        if payment.status != PaymentStatus.CHARGED:
            return 0
        await self._settle(session, payment, SHOP, account_of(payment.user_id), Kind.REFUND)
        payment.status = PaymentStatus.REFUNDED
        return payment.amount_cents

    async def hold(self, session: AsyncSession, wanted: Payment) -> int:
        """Try: user → held. Returns what the user has left; raises as `charge` does."""
        return await self._take(session, wanted, HELD, Kind.TRY, PaymentStatus.TRIED)

    async def capture(self, session: AsyncSession, order_id: str) -> None:
        """Confirm: held → shop. Raises NotFound when nothing is held."""
        payment = await self._held(session, order_id)
        await self._settle(session, payment, HELD, SHOP, Kind.CONFIRM)
        payment.status = PaymentStatus.CHARGED

    async def give_back(self, session: AsyncSession, order_id: str) -> None:
        """Cancel: held → user. Raises NotFound when nothing is held."""
        payment = await self._held(session, order_id)
        await self._settle(session, payment, HELD, account_of(payment.user_id), Kind.CANCEL)
        payment.status = PaymentStatus.CANCELLED

    async def _take(
        self, session: AsyncSession, wanted: Payment, taker: str, kind: Kind, status: PaymentStatus
    ) -> int:
        await self._ledger.open(session, wanted.user_id)
        balance = await self._ledger.balance(session, wanted.user_id)
        known = await self._ledger.payment(session, wanted.order_id)
        if known is not None:
            _must_be(known, wanted)
            return balance
        order_id, amount = wanted.order_id, wanted.amount_cents
        giver = account_of(wanted.user_id)
        if not await self._ledger.move(session, giver, taker, amount, kind=kind, order_id=order_id):
            raise PaymentRefused(
                f"order {order_id} costs {amount} cents, {wanted.user_id} has {balance}",
                details={"amount_cents": amount, "balance_cents": balance},
            )
        session.add(PaymentRow(order_id=order_id, user_id=wanted.user_id, amount_cents=amount, status=status))
        try:
            await session.flush()
        except IntegrityError as error:  # PostgreSQL: the same order asks twice at once
            raise Unavailable(f"order {order_id} is just being served") from error
        return balance - amount

    async def _held(self, session: AsyncSession, order_id: str) -> PaymentRow:
        payment = await self._ledger.payment(session, order_id)
        if payment is None or payment.status != PaymentStatus.TRIED:
            raise NotFound(f"nothing is held for order {order_id}")
        return payment

    async def _settle(
        self, session: AsyncSession, payment: PaymentRow, giver: str, taker: str, kind: Kind
    ) -> None:
        moved = await self._ledger.move(
            session, giver, taker, payment.amount_cents, kind=kind, order_id=payment.order_id
        )
        if not moved:  # it has what this very order gave it
            raise Conflict(f"{giver} has less than order {payment.order_id} put there")


def _must_be(known: PaymentRow, wanted: Payment) -> None:
    if known.status in (PaymentStatus.REFUNDED, PaymentStatus.CANCELLED):
        raise TooLate(f"order {wanted.order_id} was {known.status.lower()}")
    if (known.user_id, known.amount_cents) != (wanted.user_id, wanted.amount_cents):
        raise Conflict(f"order {wanted.order_id} already costs {known.user_id} {known.amount_cents} cents")
