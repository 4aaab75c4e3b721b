"""The order service, wired together: four ways of coordinating an order, side by side."""

from typing import TYPE_CHECKING, NamedTuple

from services.contracts import names, orders_pb2, orders_pb2_grpc, topics
from services.contracts.inventory_pb2_grpc import InventoryServiceStub
from services.contracts.payments_pb2_grpc import PaymentServiceStub
from services.orders.book import OrderBook
from services.orders.choreography import Choreographed, OrderListener
from services.orders.domain import Coordination
from services.orders.leading import Led
from services.orders.operations import operation_routes
from services.orders.orchestration import OrderSteps, SagaEnd, order_saga
from services.orders.placing import Coordinator, OrderDesk
from services.orders.reserve_only import DualWrite, Publisher, ReserveOnly
from services.orders.rpc import OrdersRpc
from services.orders.settings import OrdersSettings
from services.orders.store import OUTBOX, SAGAS, TRANSACTIONS, Base, OrderStore
from services.orders.tcc import OrderParticipants, TccEnd
from workbook_lib.kit.boundary import logged
from workbook_lib.kit.discovery import Directory
from workbook_lib.kit.messaging import Consumer, OutboxRelay, Producer, Topics
from workbook_lib.kit.rpc import RpcClient, RpcServer
from workbook_lib.kit.saga import Orchestrator
from workbook_lib.kit.security.operators import OperatorGuard
from workbook_lib.kit.service import Service
from workbook_lib.kit.storage import Database
from workbook_lib.kit.tcc import TccCoordinator

if TYPE_CHECKING:
    from services.contracts.inventory_pb2_grpc import InventoryServiceAsyncStub
    from services.contracts.payments_pb2_grpc import PaymentServiceAsyncStub

__all__ = ["Clients", "build"]


class Clients(NamedTuple):
    """What orders calls; `publisher` only where it publishes directly."""

    inventory: "RpcClient[InventoryServiceAsyncStub]"
    payments: "RpcClient[PaymentServiceAsyncStub]"
    publisher: Publisher | None = None


def connect(settings: OrdersSettings, directory: Directory) -> Clients:
    """The clients of the running system. Raises ValueError for a dual write without its second half."""
    inventory = directory.find(names.INVENTORY, settings.inventory_url)
    payments = directory.find(names.PAYMENTS, settings.payments_url)
    publisher = None
    if settings.publish == "direct":
        if settings.kafka_bootstrap_servers is None:
            raise ValueError("publish=direct needs kafka_bootstrap_servers")
        publisher = Producer(settings.kafka_bootstrap_servers, client_id=settings.instance)
    return Clients(
        RpcClient(inventory, InventoryServiceStub, timeout_seconds=settings.reserve_timeout_seconds),
        RpcClient(payments, PaymentServiceStub, timeout_seconds=settings.charge_timeout_seconds),
        publisher,
    )


def build(settings: OrdersSettings, clients: Clients | None = None) -> Service:
    """The service, not started. Without Kafka, or with `clients`, its events stay in its outbox.

    Then it knows choreography only with `clients`: nobody else would hear what an order wants.
    """
    service = Service(settings, title="Orders")
    database = Database(settings.database_url, metadata=Base.metadata)
    service.add_resource(database)
    store = OrderStore(database)
    book = OrderBook(store)
    coordinators: dict[Coordination, Coordinator] = {}
    if clients is not None or settings.kafka_bootstrap_servers is not None:
        coordinators[Coordination.CHOREOGRAPHY] = Choreographed()
    if clients is None:
        directory = Directory(settings.consul_http_addr, token=settings.consul_token)
        service.add_resource(directory)
        clients = connect(settings, directory)
        if settings.kafka_bootstrap_servers is not None:
            listener = OrderListener(database, store, book)
            _join_kafka(service, settings.kafka_bootstrap_servers, database, listener)
    for client in clients:
        if client is not None:
            service.add_resource(client)
    coordinators[Coordination.RESERVE_ONLY] = _reserving(database, store, book, clients)
    coordinators |= _led(service, settings, database, book, clients)
    desk = OrderDesk(database, store, coordinators, default=settings.coordination)
    # What the desk does is logged around it, so that it holds nothing but its steps.
    place = logged("place order", fields=("user_id", "sku", "quantity"))(desk.place)
    if settings.grpc_port is not None:
        rpc = RpcServer(settings.host, settings.grpc_port)
        rpc.add(
            orders_pb2_grpc.add_OrderServiceServicer_to_server,
            OrdersRpc(place, store),
            orders_pb2.DESCRIPTOR.services_by_name["OrderService"].full_name,
        )
        service.add_rpc(rpc)
    return service


def _join_kafka(service: Service, kafka: str, database: Database, listener: OrderListener) -> None:
    """Publish what is in the outbox, and listen to what becomes of choreographed orders."""
    instance = service.settings.instance
    heard = [topics.STOCK_EVENTS, topics.PAYMENT_EVENTS]
    consumer = Consumer(kafka, heard, names.ORDERS, listener, instance=instance)
    service.add_resource(Topics(kafka, topics.PARTITIONS))
    service.add_resource(consumer)
    service.add_worker("consumer", consumer.run)
    producer = Producer(kafka, client_id=f"{instance}-outbox")
    relay = OutboxRelay(database, OUTBOX, producer, owner=instance)
    service.add_worker("outbox", relay.run)


def _reserving(database: Database, store: OrderStore, book: OrderBook, clients: Clients) -> ReserveOnly:
    if clients.publisher is None:
        return ReserveOnly(database, book, clients.inventory)
    return DualWrite(database, store, book, clients.inventory, clients.publisher)


def _led(
    service: Service, settings: OrdersSettings, database: Database, book: OrderBook, clients: Clients
) -> dict[Coordination, Coordinator]:
    """The two that remember what they have begun: each is also a worker, which resumes that."""
    saga = Orchestrator(
        order_saga(OrderSteps(clients.inventory, clients.payments)),
        SAGAS,
        database,
        on_end=SagaEnd(book),
        owner=settings.instance,
        compensation_attempts=settings.compensation_attempts,
    )
    tcc = TccCoordinator(
        "order-tcc",
        OrderParticipants(clients.inventory, clients.payments).all(),
        TRANSACTIONS,
        database,
        on_end=TccEnd(book),
        owner=settings.instance,
    )
    service.add_worker("order saga", saga.run_forever)
    service.add_worker("order tcc", tcc.run_forever)
    if settings.operator_token is not None:
        guard = OperatorGuard(settings.operator_token)
        service.app.include_router(operation_routes(guard, saga, tcc))
    patience = settings.answer_seconds
    return {
        Coordination.ORCHESTRATION: Led(saga, answer_seconds=patience),
        Coordination.TCC: Led(tcc, answer_seconds=patience),
    }
