"""The order system as processes, callers of it, and the evidence of what became of their orders."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest_asyncio

from services.contracts import orders_pb2, orders_pb2_grpc
from workbook_lib.lab import Lab, faults
from workbook_lib.lab.evidence import History, check_history, eventually, rows, topic_records

SERVICES = ("inventory", "payments", "audit_log", "orders")
TOPICS = ("user-events", "order-events", "stock-events", "payment-events")
ENVIRONMENT = {
    "ORDERS_RESERVE_TIMEOUT_SECONDS": "5",
    "ORDERS_CHARGE_TIMEOUT_SECONDS": "0.7",  # payments is held up on purpose
    "ORDERS_ANSWER_SECONDS": "5",
    "CHECK_INTERVAL_SECONDS": "1",  # Consul names a service again soon after it is back
}
STOCK = {item["sku"]: item["available"] for item in json.loads(Path("data/stock.json").read_text())}

RICH, POOR = "user123", "user130"  # POOR can't pay for a keyboard


class Shop:
    """The running system, and what its callers were told."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.told: dict[str, str] = {}
        self.asked = 0

    async def order(self, way: str, user: str, count: int) -> None:
        """Place `count` orders at once, and note what their callers hear; a lost answer is none."""
        async with grpc.aio.insecure_channel(self.lab["orders"].addresses["grpc"]) as channel:
            stub = orders_pb2_grpc.OrderServiceStub(channel)
            await asyncio.gather(*(self._order(stub, way, user) for _ in range(count)))

    async def _order(self, stub, way: str, user: str) -> None:
        self.asked += 1
        request = orders_pb2.PlaceOrderRequest(
            user_id=user, sku="keyboard", quantity=1, coordination=f"COORDINATION_{way}"
        )
        try:
            order = await stub.PlaceOrder(request, timeout=10)
        except grpc.aio.AioRpcError:
            return
        self.told[order.order_id] = orders_pb2.OrderStatus.Name(order.status).removeprefix("ORDER_STATUS_")

    async def order_without_answers_of_payments(self, way: str, count: int) -> None:
        """The same while payments stands still, until what was done is being undone."""
        placing = asyncio.create_task(self.order(way, RICH, count))
        async with faults.paused(self.lab["payments"]):
            await eventually(self._turned_back, 30, interval_seconds=0.02)
        await placing

    async def _turned_back(self) -> bool:
        """Whether a charge is being undone of which nobody knows whether it was made."""
        undoing = """
            SELECT id FROM sagas WHERE state = 'COMPENSATING' AND position = 1
            UNION SELECT id FROM tcc_transactions WHERE state = 'CANCELLING' AND position = 2
        """
        found = await rows(self.databases["orders"], undoing)
        return bool(found) or not self.lab["orders"].alive

    @property
    def databases(self) -> dict[str, Path]:
        """By service, its database."""
        return {service: self.lab.folder / service / f"{service}.db" for service in SERVICES}

    async def history(self, *, topics: bool = True) -> History:
        """What databases and topics say now."""
        records = []
        for topic in TOPICS if topics else ():
            records += await topic_records(self.lab["kafka"].url, topic)
        databases = self.databases
        if not topics:
            del databases["audit_log"]
        return await check_history(databases, records, stock=STOCK, told=self.told)

    async def at_rest(self) -> bool:
        """Whether nothing is under way, and nothing contradicts anything."""
        return (await self.history(topics=False)).holds

    async def all_told(self) -> bool:
        """The same, with every event where it belongs."""
        return (await self.history()).holds


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shop(tmp_path_factory) -> AsyncIterator[Shop]:
    """The order system."""
    async with Lab("crashes", root=tmp_path_factory.mktemp("crashes")) as lab:
        await lab.start("consul", "kafka", *SERVICES, env=ENVIRONMENT)
        yield Shop(lab)
