"""What stands behind a service, without processes of its own."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import httpx2

from services.contracts import orders_pb2
from workbook_lib.kit.errors import NotFound, ServiceError
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.service import Service

__all__ = ["InProcess", "PlacedOrders", "SameAnswers", "Silent"]


class InProcess(HttpClient):
    """A client of a service that runs in this process, and is started and stopped with it."""

    def __init__(self, service: Service) -> None:
        super().__init__("http://in-process")
        self._service = service

    async def start(self) -> None:
        """Start the service."""
        await self._service.start()
        transport = httpx2.ASGITransport(self._service.app, raise_app_exceptions=False)
        self._client = httpx2.AsyncClient(transport=transport)

    async def stop(self) -> None:
        """Stop both."""
        await super().stop()
        await self._service.stop()


class SameAnswers:
    """An RPC client whose methods answer what they are given for it; an error is raised."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    async def start(self) -> None:
        """Ready."""

    async def stop(self) -> None:
        """Over."""

    @contextmanager
    def stub(self) -> Iterator[SimpleNamespace]:
        """The methods."""
        yield SimpleNamespace(**{name: self._method(answer) for name, answer in self._answers.items()})

    @staticmethod
    def _method(answer: Any) -> Any:
        async def call(_request: Any, **_options: Any) -> Any:
            if isinstance(answer, ServiceError):
                raise answer
            return answer

        return call


class PlacedOrders(SameAnswers):
    """An RPC client of an order service that has everything, and remembers what was ordered."""

    def __init__(self) -> None:
        super().__init__()
        self._orders: dict[str, orders_pb2.Order] = {}

    @contextmanager
    def stub(self) -> Iterator[SimpleNamespace]:
        """The methods."""
        yield SimpleNamespace(PlaceOrder=self._place, GetOrder=self._get)

    async def _place(self, request: orders_pb2.PlaceOrderRequest) -> orders_pb2.Order:
        order = orders_pb2.Order(
            order_id=f"o{len(self._orders)}",
            user_id=request.user_id,
            sku=request.sku,
            quantity=request.quantity,
            status=orders_pb2.ORDER_STATUS_CONFIRMED,
        )
        return self._orders.setdefault(order.order_id, order)

    async def _get(self, request: orders_pb2.GetOrderRequest) -> orders_pb2.Order:
        if request.order_id not in self._orders:
            raise NotFound(f"no order {request.order_id!r}")
        return self._orders[request.order_id]


class Silent:
    """A consumer of messages that never come, a producer of those that nobody gets."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    async def start(self) -> None:
        """Ready."""

    async def stop(self) -> None:
        """Over."""

    async def send(self, *_: Any) -> None:
        """Take it."""

    async def run(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()
