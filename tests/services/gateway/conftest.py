"""The gateway before real services on local ports (only Kafka and Redis are away), and as a process of its own."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
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
async def edge(running, tmp_path, people, desk, shelves):
    clients = gateway.Clients(
        HttpClient(people), RpcClient(desk, OrderServiceStub), RpcClient(shelves, InventoryServiceStub)
    )
    async with running(gateway.build(GatewaySettings(upload_folder=tmp_path / "uploads"), clients)) as client:
        yield client


class GatewayProcess:
    """`python -m services.gateway` on a free port, its output in a file."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.origin = self.url
        self.folder = folder
        self._log = folder / f"gateway-{port}.log"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text()

    def lines(self, event: str) -> list[dict]:
        records = (json.loads(line) for line in self.log.splitlines() if line.startswith("{"))
        return [record for record in records if record["event"] == event]

    async def start(self, **settings: str) -> None:
        """Start it and wait until /health answers; `settings` are those of the gateway."""
        environment = {f"GATEWAY_{name}".upper(): value for name, value in settings.items()}
        defaults = {
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_UPLOAD_FOLDER": str(self.folder / "uploads"),
            "GATEWAY_ALLOWED_ORIGINS": json.dumps([self.origin]),
            "GATEWAY_REDIS_URL": "redis://127.0.0.1:1/0",
            "GATEWAY_ENVIRONMENT": "prod",
        }
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "services.gateway",
                env={**os.environ, **defaults, **environment},
                stdout=output,
                stderr=output,
            )
        async with asyncio.timeout(30), httpx2.AsyncClient(trust_env=False) as client:
            while self._process.returncode is None:
                with contextlib.suppress(httpx2.TransportError):
                    await client.get(f"{self.url}/health")
                    return
                await asyncio.sleep(0.05)
        raise AssertionError(self.log)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and wait for its end; its exit status."""
        if self._process.returncode is None:
            self._process.send_signal(number)
        async with asyncio.timeout(20):
            return await self._process.wait()


@pytest.fixture
async def gateways(free_port, tmp_path):
    """Makes gateway processes, not started; they end with the test."""
    made = []

    def make() -> GatewayProcess:
        made.append(GatewayProcess(free_port(), tmp_path))
        return made[-1]

    yield make
    for process in made:
        if hasattr(process, "_process"):
            await process.stop(signal.SIGKILL)


@pytest.fixture
async def gateway_process(gateways):
    """One, started."""
    process = gateways()
    await process.start()
    return process
