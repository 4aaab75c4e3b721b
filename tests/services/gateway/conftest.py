"""The gateway before real services on local ports; only Kafka and Redis are away."""

import asyncio
from contextlib import asynccontextmanager

import pytest
import uvicorn

from services.contracts.inventory_pb2_grpc import InventoryServiceStub
from services.contracts.orders_pb2_grpc import OrderServiceStub
from services.gateway import app as gateway
from services.gateway.settings import GatewaySettings
from services.inventory import app as inventory
from services.inventory.settings import InventorySettings
from services.orders import app as orders
from services.orders.settings import OrdersSettings
from services.users import app as users
from services.users.settings import UsersSettings
from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.lab.evidence import eventually

NO_REDIS = "redis://127.0.0.1:1/0"


@asynccontextmanager
async def _listening(service):
    server = uvicorn.Server(
        uvicorn.Config(
            service.app, host="127.0.0.1", port=service.settings.port, lifespan="off", log_config=None
        )
    )
    async with service:
        serving = asyncio.create_task(server.serve())
        await eventually(lambda: server.started, interval_seconds=0.01)
        yield
        server.should_exit = True
        await serving


@pytest.fixture
async def shelves(running, tmp_path, free_port):
    settings = InventorySettings(database_url=f"sqlite:///{tmp_path}/inventory.db", grpc_port=free_port())
    async with running(inventory.build(settings)):
        yield StaticInstances.at(f"127.0.0.1:{settings.grpc_port}")


@pytest.fixture
async def desk(running, tmp_path, free_port, shelves, recorder):
    settings = OrdersSettings(database_url=f"sqlite:///{tmp_path}/orders.db", grpc_port=free_port())
    clients = orders.Clients(RpcClient(shelves, InventoryServiceStub), recorder)
    async with running(orders.build(settings, clients)):
        yield StaticInstances.at(f"127.0.0.1:{settings.grpc_port}")


@pytest.fixture
async def people(tmp_path, free_port, desk):
    settings = UsersSettings(
        database_url=f"sqlite:///{tmp_path}/users.db",
        redis_url=NO_REDIS,
        port=free_port(),
        grpc_port=free_port(),
    )
    async with _listening(users.build(settings, users.Clients(RpcClient(desk, OrderServiceStub)))):
        yield f"http://127.0.0.1:{settings.port}"


@pytest.fixture
async def edge(running, people, desk, shelves):
    clients = gateway.Clients(
        HttpClient(people), RpcClient(desk, OrderServiceStub), RpcClient(shelves, InventoryServiceStub)
    )
    async with running(gateway.build(GatewaySettings(), clients)) as client:
        yield client
