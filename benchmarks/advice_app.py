"""What benchmarks.speed_advice asks: one catalogue of products, as a service of the kit answers it.

`python -m benchmarks.advice_app PORT`. /model goes through a response model, /dict through the standard
library's JSON, /msgspec through msgspec's; /catalogue is bytes made beforehand. All gzip on request.
"""

from __future__ import annotations

import asyncio
import json
import sys

import msgspec
import uvloop
from fastapi import Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, TypeAdapter

from workbook_lib.kit import logs
from workbook_lib.kit.service import Service, serve
from workbook_lib.kit.service.compression import Compression
from workbook_lib.kit.settings import ServiceSettings

__all__ = ["PRODUCTS", "build"]

PRODUCTS = [
    {
        "sku": f"keyboard-{number}",
        "title": f"Mechanical keyboard, model {number}",
        "description": f"{80 + number} keys, brown switches, aluminium case; article {7919 * number % 9973}.",
        "price_cents": 4990 + 700 * number % 9000,
        "stock": 13 * number % 40,
        "tags": ["keyboard", "mechanical", f"layout-{number % 7}"],
    }
    for number in range(100)
]


class Product(BaseModel):
    """One of the catalogue."""

    sku: str
    title: str
    description: str
    price_cents: int
    stock: int
    tags: list[str]


def build(settings: ServiceSettings) -> Service:
    """The service."""
    service = Service(settings, title="Advice")
    service.add_middleware(Compression)
    catalogue = json.dumps(PRODUCTS).encode()
    models = TypeAdapter(list[Product]).validate_python(PRODUCTS)

    @service.app.get("/catalogue")
    async def ready() -> Response:
        return Response(catalogue, media_type="application/json")

    @service.app.get("/model")
    async def model() -> list[Product]:
        return models

    @service.app.get("/dict")
    async def plain() -> JSONResponse:
        return JSONResponse(PRODUCTS)

    @service.app.get("/msgspec")
    async def fast() -> Response:
        return Response(msgspec.json.encode(PRODUCTS), media_type="application/json")

    return service


if __name__ == "__main__":
    settings = ServiceSettings(service="advice", environment="prod", port=int(sys.argv[1]))
    logs.configure(settings.service, settings.instance, settings.log_level, settings.environment)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(build(settings)))
