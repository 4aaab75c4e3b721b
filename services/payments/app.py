"""The payment service, wired together: RPC always, and Kafka when it is told of one."""

from services.contracts import names, payments_pb2, payments_pb2_grpc, topics
from services.payments.cashier import Cashier
from services.payments.choreography import Biller
from services.payments.rpc import PaymentsRpc
from services.payments.settings import PaymentsSettings
from services.payments.store import OUTBOX, Base, Ledger
from workbook_lib.kit.messaging import Consumer, OutboxRelay, Producer, Topics
from workbook_lib.kit.rpc import RpcServer
from workbook_lib.kit.service import Service
from workbook_lib.kit.storage import Database

__all__ = ["build"]


def build(settings: PaymentsSettings) -> Service:
    """The service, not started."""
    service = Service(settings, title="Payments")
    database = Database(settings.database_url, metadata=Base.metadata)
    ledger = Ledger(database, settings.seed_file, opening_balance_cents=settings.opening_balance_cents)
    service.add_resource(database)
    service.add_resource(ledger)
    if settings.kafka_bootstrap_servers is not None:
        _choreograph(service, settings.kafka_bootstrap_servers, database, Cashier(ledger))
    if settings.grpc_port is not None:
        rpc = RpcServer(settings.host, settings.grpc_port)
        rpc.add(
            payments_pb2_grpc.add_PaymentServiceServicer_to_server,
            PaymentsRpc(database, ledger),
            payments_pb2.DESCRIPTOR.services_by_name["PaymentService"].full_name,
        )
        service.add_rpc(rpc)
    return service


def _choreograph(service: Service, kafka: str, database: Database, cashier: Cashier) -> None:
    """Listen to the inventory, and answer."""
    producer = Producer(kafka, client_id=service.settings.instance)
    consumer = Consumer(
        kafka,
        [topics.STOCK_EVENTS],
        names.PAYMENTS,
        Biller(database, cashier),
        instance=service.settings.instance,
    )
    for resource in (Topics(kafka, topics.PARTITIONS), consumer):
        service.add_resource(resource)
    service.add_worker("consumer", consumer.run)
    service.add_worker("outbox", OutboxRelay(database, OUTBOX, producer, owner=service.settings.instance).run)
