"""The atomic orders' routes, and how the service is wired."""

from fastapi import APIRouter, Response

from services.atomic_orders.domain import Order, OutOfStock, PaymentRefused, Wanted
from services.atomic_orders.placing import OrderDesk
from services.atomic_orders.rpc import AtomicOrdersRpc
from services.atomic_orders.settings import AtomicOrdersSettings
from services.atomic_orders.store import DECISIONS, MoneyBase, OrdersBase, Seed, StockBase
from services.contracts import orders_pb2, orders_pb2_grpc
from workbook_lib.kit.errors import NotFound
from workbook_lib.kit.postgres import ServerDatabase
from workbook_lib.kit.rpc import RpcServer
from workbook_lib.kit.service import Service, error_answers
from workbook_lib.kit.two_phase import RowsLocked, TwoPhaseCoordinator

__all__ = ["build"]


def build(settings: AtomicOrdersSettings) -> Service:
    """The service, not started."""
    service = Service(settings, title="Atomic orders")
    far, prefix = settings.participants_url or settings.postgres_url, settings.database_prefix
    own = ServerDatabase(settings.postgres_url, f"{prefix}_orders", metadata=OrdersBase.metadata)
    stock = ServerDatabase(far, f"{prefix}_stock", metadata=StockBase.metadata)
    money = ServerDatabase(far, f"{prefix}_money", metadata=MoneyBase.metadata)
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
    desk = OrderDesk(coordinator, own)
    service.app.include_router(_routes(desk))
    if settings.grpc_port is not None:
        rpc = RpcServer(settings.host, settings.grpc_port)
        rpc.add(
            orders_pb2_grpc.add_OrderServiceServicer_to_server,
            AtomicOrdersRpc(desk),
            orders_pb2.DESCRIPTOR.services_by_name["OrderService"].full_name,
        )
        service.add_rpc(rpc)
    return service


def _routes(desk: OrderDesk) -> APIRouter:
    router = APIRouter(prefix="/orders")
    refusals = error_answers(OutOfStock, PaymentRefused, NotFound, RowsLocked)

    @router.post("", status_code=201, responses=refusals)
    async def place_order(wanted: Wanted, response: Response) -> Order:
        """Place an order: it exists when this answers 201, and otherwise it doesn't."""
        order = await desk.place(wanted)
        response.headers["Location"] = f"/orders/{order.order_id}"
        return order

    @router.get("/{order_id}", responses=error_answers(NotFound))
    async def read_order(order_id: str) -> Order:
        """One order."""
        return await desk.find(order_id)

    return router
