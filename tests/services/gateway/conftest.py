"""The gateway before real services on local ports, without Kafka and Redis; and as a process of its own."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn

from services.contracts.inventory_pb2_grpc import InventoryServiceStub
from services.contracts.orders_pb2_grpc import OrderServiceStub
from services.contracts.payments_pb2_grpc import PaymentServiceStub
from services.gateway import app as gateway
from services.gateway.settings import GatewaySettings
from services.inventory import app as inventory
from services.inventory.settings import InventorySettings
from services.orders import app as orders
from services.orders.settings import OrdersSettings
from services.products import app as products
from services.products.settings import ProductsSettings
from services.users import app as users
from services.users.settings import UsersSettings
from tests.services.conftest import free_ports
from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.lab.evidence import eventually

NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _patient(patience):
    """A request passes up to four services here, and no test is about how soon."""


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
async def desk(running, tmp_path, free_port, shelves):
    settings = OrdersSettings(database_url=f"sqlite:///{tmp_path}/orders.db", grpc_port=free_port())
    nobody = StaticInstances.at("127.0.0.1:1")
    clients = orders.Clients(RpcClient(shelves, InventoryServiceStub), RpcClient(nobody, PaymentServiceStub))
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
    async with _listening(
        users.build(
            settings, users.Clients(RpcClient(desk, OrderServiceStub), HttpClient("http://127.0.0.1:1"))
        )
    ):
        yield f"http://127.0.0.1:{settings.port}"


@pytest.fixture
async def goods(tmp_path, free_port):
    settings = ProductsSettings(database_url=f"sqlite:///{tmp_path}/products.db", port=free_port())
    async with _listening(products.build(settings)):
        yield f"http://127.0.0.1:{settings.port}"


@pytest.fixture
def behind(people, desk, shelves, goods):
    """Clients of what is behind the gateway; a gateway starts and stops them."""
    return gateway.Clients(
        HttpClient(people),
        RpcClient(desk, OrderServiceStub),
        RpcClient(shelves, InventoryServiceStub),
        HttpClient(goods),
    )


@pytest.fixture
async def edge(running, tmp_path, behind):
    settings = GatewaySettings(redis_url=NO_REDIS, upload_folder=tmp_path / "uploads")
    async with running(gateway.build(settings, behind)) as client:
        yield client


class GatewayProcess:
    """`python -m services.gateway` on a free port, its output in a file."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        self._log = folder / f"gateway-{port}.log"
        self._process: subprocess.Popen | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def uploads(self) -> list[Path]:
        """Every file below the uploads' folder, finished or not."""
        return [path for path in (self.folder / "uploads").rglob("*") if path.is_file()]

    def lines(self, event: str) -> list[dict]:
        """The log's records of one kind."""
        records = (json.loads(line) for line in self.log.splitlines() if line.startswith("{"))
        return [record for record in records if record["event"] == event]

    def launch(self, **settings: str) -> None:
        """Start it; `settings` are those of the gateway."""
        defaults = {
            "port": str(self.port),
            "upload_folder": str(self.folder / "uploads"),
            "cors_origins": json.dumps([self.url]),
            "redis_url": NO_REDIS,
            "environment": "prod",
        }
        environment = {f"GATEWAY_{name}".upper(): value for name, value in (defaults | settings).items()}
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services.gateway"],
                env={**os.environ, **environment},
                stdout=output,
                stderr=output,
            )

    def wait_until_ready(self) -> None:
        """Wait until it listens: its resources have started then."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.05)
        raise AssertionError(self.log)

    def start(self, **settings: str) -> None:
        """`launch`, and wait until it is ready."""
        self.launch(**settings)
        self.wait_until_ready()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def ended(self, timeout_seconds: float = 20) -> int:
        """Wait for its end; its exit status."""
        return self._process.wait(timeout_seconds)

    def kill(self) -> None:
        """Leave nothing behind."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def gateways(tmp_path, free_port):
    """Makes gateway processes, not started; they end with the test."""
    made = []

    def make() -> GatewayProcess:
        made.append(GatewayProcess(free_port(), tmp_path))
        return made[-1]

    yield make
    for process in made:
        process.kill()


@pytest.fixture(scope="session")
def gateway_on():
    """Starts a gateway in a folder and ends it; for fixtures, with `yield from`."""

    def run(folder: Path, **settings: str) -> Iterator[GatewayProcess]:
        with free_ports() as take:
            process = GatewayProcess(take(), folder)
            try:
                process.start(**settings)
                yield process
            finally:
                process.kill()

    return run


@pytest.fixture(scope="module")
def gateway_process(tmp_path_factory, gateway_on):
    """One for all tests of a module that only ask it: starting one takes longer than most of them."""
    yield from gateway_on(tmp_path_factory.mktemp("gateway"))
