"""The same two handlers behind nothing, behind one part of the kit's edge after another, and as a service.

`python -m benchmarks.stack.apps STAGE PORT [OTLP_ENDPOINT]`, on the server settings of the kit's own `serve`.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from decimal import Decimal

import uvicorn
import uvloop
from fastapi import FastAPI
from pydantic import BaseModel, Field

from benchmarks.stack import STAGES
from workbook_lib.kit import logs, telemetry
from workbook_lib.kit.service import Service, serve
from workbook_lib.kit.service.access_log import AccessLog
from workbook_lib.kit.service.body_limit import BodyLimit
from workbook_lib.kit.service.handlers import UnexpectedErrors, add_error_handlers
from workbook_lib.kit.service.metrics import Metrics
from workbook_lib.kit.service.requests import Observer, RequestWatch
from workbook_lib.kit.service.routes import RouteTemplates
from workbook_lib.kit.settings import ServiceSettings

__all__ = ["add_handlers", "app_of"]

SETTINGS = ServiceSettings(service="stack", environment="prod")


class Address(BaseModel):
    """Where to."""

    name: str = Field(min_length=1, max_length=200)
    street: str = Field(min_length=1, max_length=200)
    city: str = Field(min_length=1, max_length=100)
    postal_code: str = Field(pattern=r"^[0-9A-Z -]{3,10}$")
    country: str = Field(pattern="^[A-Z]{2}$")


class Line(BaseModel):
    """What, how many, and for how much each."""

    sku: str = Field(pattern="^[a-z0-9-]+$")
    title: str = Field(max_length=200)
    quantity: int = Field(ge=1, le=1000)
    unit_price: Decimal = Field(ge=0, decimal_places=2)


class Order(BaseModel):
    """What a customer sends."""

    customer: str
    placed_at: datetime
    currency: str = Field(pattern="^[A-Z]{3}$")
    ship_to: Address
    lines: list[Line] = Field(min_length=1, max_length=100)


class PricedLine(Line):
    """A line and its sum."""

    amount: Decimal


class PricedOrder(Order):
    """What the customer gets back."""

    lines: list[PricedLine]  # type: ignore[assignment]
    total: Decimal


def app_of(stage: str) -> FastAPI:
    """The app of a stage but "kit", which is a service."""
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    add_handlers(app)
    parts = STAGES.index(stage)
    if parts >= STAGES.index("errors"):
        add_error_handlers(app)
        app.add_middleware(BodyLimit, max_body_bytes=SETTINGS.max_body_bytes)
        app.add_middleware(UnexpectedErrors)
    if parts >= STAGES.index("metrics"):
        metrics = Metrics()
        observers: list[Observer] = [metrics.observe]
        if parts >= STAGES.index("logs"):
            observers.append(AccessLog().observe)
        app.add_middleware(
            RequestWatch, templates=RouteTemplates(app), in_flight=metrics.in_flight, observers=observers
        )
    return app


def add_handlers(app: FastAPI) -> None:
    """The two that are measured."""

    @app.get("/nothing/{name}")
    async def nothing(name: str) -> dict[str, str]:
        return {"hello": name}

    @app.post("/orders")
    async def price(order: Order) -> PricedOrder:
        lines = [PricedLine(**dict(line), amount=line.unit_price * line.quantity) for line in order.lines]
        return PricedOrder(
            **dict(order) | {"lines": lines}, total=sum((line.amount for line in lines), Decimal())
        )


async def _serve_app(app: FastAPI, port: int) -> None:
    # As kit.service.serving has it; what differs from uvicorn's defaults is faster.
    config = uvicorn.Config(
        app,
        port=port,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        backlog=2048,
        proxy_headers=False,
        server_header=False,
    )
    await uvicorn.Server(config).serve()


def main(stage: str, port: str, otlp_endpoint: str | None = None) -> None:
    """Serve a stage until SIGTERM."""
    settings = SETTINGS.model_copy(update={"port": int(port), "instance": f"stack-{port}"})
    logs.configure(settings.service, settings.instance, settings.log_level, settings.environment)
    tracing = telemetry.configure(settings.service, settings.instance, otlp_endpoint)
    if stage == "kit":
        service = Service(settings, title="Stack")
        add_handlers(service.app)
        serving = serve(service)
    else:
        serving = _serve_app(app_of(stage), settings.port)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving)
    tracing.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
