"""The atomic orders' routes, and the one transaction that an order is."""

from uuid import uuid4

from fastapi import APIRouter, Response

from services.atomic_orders.domain import Order, OutOfStock, PaymentRefused, Wanted
from services.atomic_orders.settings import AtomicOrdersSettings
from services.atomic_orders.store import (
    DECISIONS,
    MoneyBase,
    OrdersBase,
    Seed,
    StockBase,
    add_order,
    get_order,
    pay,
    take,
)
from workbook_lib.kit.errors import NotFound
from workbook_lib.kit.postgres import ServerDatabase
from workbook_lib.kit.service import Service, error_answers
from workbook_lib.kit.storage import Database
from workbook_lib.kit.two_phase import RowsLocked, TwoPhaseCoordinator

__all__ = ["OrderDesk", "build"]


class OrderDesk:
    """Takes orders, each in one transaction over three databases."""

    def __init__(self, coordinator: TwoPhaseCoordinator) -> None:
        self._coordinator = coordinator

    async def place(self, wanted: Wanted) -> Order:
        """Place an order. Raises OutOfStock, PaymentRefused, NotFound; then nothing has happened anywhere."""
        order_id = uuid4().hex
        async with self._coordinator.transaction(order_id) as transaction:
            total_cents = await take(transaction["stock"], wanted)
            order = Order(**wanted.model_dump(), order_id=order_id, total_cents=total_cents)
            await pay(transaction["money"], order)
            await add_order(transaction.own, order)
        return order


def build(settings: AtomicOrdersSettings) -> Service:
    """The service, not started."""
    service = Service(settings, title="Atomic orders")
    own, stock, money = (
        ServerDatabase(settings.postgres_url, f"{settings.database_prefix}_{name}", metadata=base.metadata)
        for name, base in {"orders": OrdersBase, "stock": StockBase, "money": MoneyBase}.items()
    )
    coordinator = TwoPhaseCoordinator(
        "two-phase",
        {"stock": stock, "money": money},
        DECISIONS,
        own,
        owner=settings.instance,
        lock_timeout_seconds=settings.lock_timeout_seconds,
    )
    for database in (own, stock, money):
        service.add_resource(database, f"database {database.url.database}")
    service.add_resource(Seed(stock, settings.stock_file, money, settings.accounts_file))
    service.add_resource(coordinator, "coordinator")
    service.add_worker("two-phase recovery", coordinator.run_forever)
    service.app.include_router(_routes(OrderDesk(coordinator), own))
    return service


def _routes(desk: OrderDesk, own: Database) -> APIRouter:
    router = APIRouter(prefix="/orders")

    @router.post(
        "", status_code=201, responses=error_answers(OutOfStock, PaymentRefused, NotFound, RowsLocked)
    )
    async def place_order(wanted: Wanted, response: Response) -> Order:
        """Place an order: it exists when this answers 201, and otherwise it doesn't."""
        order = await desk.place(wanted)
        response.headers["Location"] = f"/orders/{order.order_id}"
        return order

    @router.get("/{order_id}", responses=error_answers(NotFound))
    async def read_order(order_id: str) -> Order:
        """One order."""
        async with own.session(read_only=True) as session:
            return await get_order(session, order_id)

    return router
