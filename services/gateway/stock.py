"""What is in stock of several things at once: a call to the inventory for each, so the answer is cached."""

import asyncio
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, StringConstraints

from services.contracts import inventory_pb2
from services.gateway.settings import GatewaySettings
from workbook_lib.kit.cache import Cache
from workbook_lib.kit.errors import NotFound
from workbook_lib.kit.i18n import Translator, translator_of
from workbook_lib.kit.response_cache import CachePolicy, ResponseCache
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.kit.service import Service, error_answers

if TYPE_CHECKING:
    from services.contracts.inventory_pb2_grpc import InventoryServiceAsyncStub

__all__ = ["StockCache", "stock_routes"]

Sku = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class StockItem(BaseModel):
    """One thing. Money in cents, and as the caller's language writes it."""

    sku: str
    name: str
    available: int
    unit_price_cents: int
    unit_price: str


class Stock(BaseModel):
    """Several things, and what they come to, in the caller's language."""

    items: list[StockItem]
    pieces: str
    worth: str


class StockCache:
    """The cached answers on stock; an order through a gateway makes those on its SKU count no more.

    A resource. What is sold in other ways is seen when an answer's time is over.
    """

    def __init__(self, settings: GatewaySettings, service: Service) -> None:
        self.responses = ResponseCache(
            Cache(settings.redis_url, namespace="gateway-responses"),
            name=settings.service,
            registry=service.metrics.registry,
            load_seconds=settings.timeout_seconds,
            lease_seconds=settings.timeout_seconds + 1,
            protected=settings.stock_protected,
        )
        self._policy = CachePolicy(
            ttl_seconds=settings.stock_ttl_seconds, stale_seconds=settings.stock_stale_seconds, query=("sku",)
        )

    async def start(self) -> None:
        """Start the cache."""
        await self.responses.start()

    async def stop(self) -> None:
        """Stop the cache."""
        await self.responses.stop()

    def policy(self, skus: list[str]) -> CachePolicy:
        """How an answer on these is cached."""
        return self._policy._replace(tags=tuple(f"stock:{sku}" for sku in skus))

    async def sold(self, sku: object) -> None:
        """Note that there is less of `sku` now."""
        await self.responses.invalidate(f"stock:{sku}")


def stock_routes(inventory: "RpcClient[InventoryServiceAsyncStub]", cache: StockCache) -> APIRouter:
    """Stock of several SKUs."""
    router = APIRouter()

    @router.get("/stock", response_model=Stock, responses=error_answers(NotFound))
    async def stock(
        request: Request,
        say: Annotated[Translator, Depends(translator_of)],
        sku: Annotated[list[Sku], Query(min_length=1, max_length=50)],
    ) -> Response:
        skus = sorted(set(sku))

        async def load() -> Stock:
            with inventory.stub() as stub:
                found = await asyncio.gather(
                    *(stub.GetStock(inventory_pb2.StockRequest(sku=each)) for each in skus)
                )
            return _view(found, say)

        return await cache.responses.respond(
            request, cache.policy(skus), load, vary={"Accept-Language": say.tag}
        )

    return router


def _view(found: list[inventory_pb2.StockResponse], say: Translator) -> Stock:
    pieces = sum(each.available for each in found)
    worth = sum(each.available * each.unit_price_cents for each in found)
    return Stock(
        items=[
            StockItem(
                sku=each.sku,
                name=each.name,
                available=each.available,
                unit_price_cents=each.unit_price_cents,
                unit_price=say.money(each.unit_price_cents),
            )
            for each in found
        ],
        pieces=say.plural("One piece is in stock.", "%(count)s pieces are in stock.", pieces),
        worth=say.text("All of it is worth %(money)s.", money=say.money(worth)),
    )
