"""An order service with a real inventory and real payments behind it, all over gRPC, without Kafka."""

from contextlib import asynccontextmanager

import pytest

from services.contracts import orders_pb2
from services.contracts.inventory_pb2_grpc import InventoryServiceStub
from services.contracts.orders_pb2_grpc import OrderServiceStub
from services.contracts.payments_pb2_grpc import PaymentServiceStub
from services.inventory import app as inventory
from services.inventory.settings import InventorySettings
from services.orders import app as orders
from services.orders.settings import OrdersSettings
from services.payments import app as payments
from services.payments.settings import PaymentsSettings
from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.lab.evidence import rows


class Shop:
    """The three services' addresses and databases; each is started by a test, or isn't."""

    def __init__(self, folder, running, rpc_client, ports):
        self._folder = folder
        self._running = running
        self._rpc_client = rpc_client
        self.inventory_port, self._payments_port, self._orders_port = ports

    def _database(self, name):
        return f"sqlite:///{self._folder / name}.db"

    def inventory(self):
        """Inventory, while in the block."""
        settings = InventorySettings(database_url=self._database("inventory"), grpc_port=self.inventory_port)
        return self._running(inventory.build(settings))

    def payments(self):
        """Payments, while in the block."""
        settings = PaymentsSettings(database_url=self._database("payments"), grpc_port=self._payments_port)
        return self._running(payments.build(settings))

    @asynccontextmanager
    async def orders(self, publisher=None, **options):
        """A client of orders, while in the block."""
        settings = OrdersSettings(
            database_url=self._database("orders"), grpc_port=self._orders_port, **options
        )
        clients = orders.Clients(
            RpcClient(
                StaticInstances.at(f"127.0.0.1:{self.inventory_port}"),
                InventoryServiceStub,
                timeout_seconds=30,
            ),
            RpcClient(
                StaticInstances.at(f"127.0.0.1:{self._payments_port}"), PaymentServiceStub, timeout_seconds=30
            ),
            publisher,
        )
        async with (
            self._running(orders.build(settings, clients)) as http,
            self._rpc_client(OrderServiceStub, settings.grpc_port) as client,
        ):
            client.http = http
            yield client

    async def rows(self, name, sql):
        """What a service's database says."""
        return await rows(self._folder / f"{name}.db", sql)

    async def balance(self, account):
        """What is on an account."""
        [found] = await self.rows("payments", f"SELECT balance_cents FROM accounts WHERE id = '{account}'")
        return found["balance_cents"]

    async def available(self, sku):
        """What is on a shelf."""
        [found] = await self.rows("inventory", f"SELECT available FROM items WHERE sku = '{sku}'")
        return found["available"]

    async def told(self):
        """Type and key of each event in the orders' outbox, in order."""
        found = await self.rows("orders", "SELECT topic, key FROM outbox ORDER BY id")
        return [(row["topic"], row["key"]) for row in found]


@pytest.fixture
def shop(tmp_path, running, rpc_client, free_port):
    """The order system, nothing started."""
    return Shop(tmp_path, running, rpc_client, [free_port() for _ in range(3)])


@pytest.fixture
def wish():
    """A request for an order; user130 has 1500 cents, user123 has plenty."""

    def make(coordination="UNSPECIFIED", user_id="user123", sku="mouse", quantity=2):
        return orders_pb2.PlaceOrderRequest(
            user_id=user_id, sku=sku, quantity=quantity, coordination=f"COORDINATION_{coordination}"
        )

    return make
