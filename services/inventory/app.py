"""The inventory service, wired together: RPC always, and Kafka when it is told of one."""

from services.contracts import inventory_pb2, inventory_pb2_grpc, names, topics
from services.inventory.choreography import StockKeeper
from services.inventory.rpc import InventoryRpc
from services.inventory.settings import InventorySettings
from services.inventory.store import OUTBOX, Base, InventoryStore
from workbook_lib.kit.messaging import Consumer, OutboxRelay, Producer, Topics
from workbook_lib.kit.rpc import RpcServer
from workbook_lib.kit.service import Service
from workbook_lib.kit.storage import Database

__all__ = ["build"]


def build(settings: InventorySettings) -> Service:
    """The service, not started."""
    service = Service(settings, title="Inventory")
    database = Database(settings.database_url, metadata=Base.metadata)
    store = InventoryStore(database, settings.seed_file)
    service.add_resource(database)
    service.add_resource(store)
    if settings.kafka_bootstrap_servers is not None:
        _choreograph(service, settings.kafka_bootstrap_servers, database, store)
    if settings.grpc_port is not None:
        rpc = RpcServer(settings.host, settings.grpc_port)
        rpc.add(
            inventory_pb2_grpc.add_InventoryServiceServicer_to_server,
            InventoryRpc(database, store),
            inventory_pb2.DESCRIPTOR.services_by_name["InventoryService"].full_name,
        )
        service.add_rpc(rpc)
    return service


def _choreograph(service: Service, kafka: str, database: Database, store: InventoryStore) -> None:
    """Listen to orders, and answer."""
    producer = Producer(kafka, client_id=service.settings.instance)
    consumer = Consumer(
        kafka,
        [topics.ORDER_EVENTS],
        names.INVENTORY,
        StockKeeper(database, store),
        instance=service.settings.instance,
    )
    for resource in (Topics(kafka, topics.PARTITIONS), consumer):
        service.add_resource(resource)
    service.add_worker("consumer", consumer.run)
    service.add_worker("outbox", OutboxRelay(database, OUTBOX, producer, owner=service.settings.instance).run)
