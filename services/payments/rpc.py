"""The payments' RPC methods: they translate, and make each call one transaction."""

from typing import Any

from grpc.aio import ServicerContext

from services.contracts import payments_pb2, payments_pb2_grpc
from services.payments.cashier import Cashier
from services.payments.domain import Payment
from services.payments.store import BRANCHES, Ledger
from workbook_lib.kit.storage import Database

__all__ = ["PaymentsRpc"]

Context = ServicerContext[Any, Any]


class PaymentsRpc(payments_pb2_grpc.PaymentServiceServicer):
    """`workbook.payments.v1.PaymentService`."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger
        self._cashier = Cashier(ledger)

    async def GetAccount(  # noqa: N802 (the contract's name)
        self, request: payments_pb2.AccountRequest, _context: Context
    ) -> payments_pb2.AccountResponse:
        """What a user has."""
        async with self._database.session(read_only=True) as session:
            balance = await self._ledger.balance(session, request.user_id)
        return payments_pb2.AccountResponse(user_id=request.user_id, balance_cents=balance)

    async def Charge(  # noqa: N802
        self, request: payments_pb2.ChargeRequest, _context: Context
    ) -> payments_pb2.ChargeResponse:
        """Take an order's price."""
        async with self._database.session() as session:
            left = await self._cashier.charge(session, _wanted(request))
        return payments_pb2.ChargeResponse(balance_cents=left)

    async def Refund(  # noqa: N802
        self, request: payments_pb2.RefundRequest, _context: Context
    ) -> payments_pb2.RefundResponse:
        """Give an order's price back."""
        async with self._database.session() as session:
            amount = await self._cashier.refund(session, request.order_id)
        return payments_pb2.RefundResponse(amount_cents=amount)

    async def TryCharge(  # noqa: N802
        self, request: payments_pb2.ChargeRequest, _context: Context
    ) -> payments_pb2.ChargeResponse:
        """Put an order's price aside until it is confirmed or cancelled."""
        wanted = _wanted(request)
        async with self._database.session() as session:
            await BRANCHES.tried(session, wanted.order_id)  # refuses a Try that comes after its Cancel
            left = await self._cashier.hold(session, wanted)
        return payments_pb2.ChargeResponse(balance_cents=left)

    async def ConfirmCharge(  # noqa: N802
        self, request: payments_pb2.ConfirmChargeRequest, _context: Context
    ) -> payments_pb2.ConfirmChargeResponse:
        """Give the shop what was put aside."""
        async with self._database.session() as session:
            if await BRANCHES.confirmed(session, request.order_id):
                await self._cashier.capture(session, request.order_id)
        return payments_pb2.ConfirmChargeResponse()

    async def CancelCharge(  # noqa: N802
        self, request: payments_pb2.CancelChargeRequest, _context: Context
    ) -> payments_pb2.CancelChargeResponse:
        """Give the user what was put aside."""
        async with self._database.session() as session:
            if await BRANCHES.cancelled(session, request.order_id):
                await self._cashier.give_back(session, request.order_id)
        return payments_pb2.CancelChargeResponse()


def _wanted(request: payments_pb2.ChargeRequest) -> Payment:
    return Payment(request.order_id, request.user_id, request.amount_cents)
