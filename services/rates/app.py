"""The rates service's one route: the terms of this moment."""

from decimal import Decimal

from fastapi import Response
from pydantic import BaseModel

from services.rates.domain import Terms
from services.rates.settings import RatesSettings
from workbook_lib.kit.consul import Consul
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings.live import LiveSettings

__all__ = ["CurrentRate", "build"]


class CurrentRate(BaseModel):
    """What a loan costs now, in percent a year; `revision` tells which change of the config centre it is."""

    rate: Decimal
    fee: Decimal
    cost: Decimal
    revision: int


def build(settings: RatesSettings) -> Service:
    """The service, not started. Without Consul the terms stay those of the start."""
    initial = Terms.model_validate(
        {"loan.interest.rate": settings.interest_rate, "loan.fee.rate": settings.fee_rate}
    )
    service = Service(settings, title="Rates")
    consul = None
    if settings.consul_http_addr:
        consul = Consul(settings.consul_http_addr, token=settings.consul_token)
        service.add_resource(consul)
    live = LiveSettings(consul, settings.live_prefix, initial)
    service.add_resource(live)

    @service.app.get("/current-rate")
    async def current_rate(response: Response) -> CurrentRate:
        """The terms of a loan that is taken now."""
        now = live.current  # taken once: what follows speaks of one moment
        response.headers["Cache-Control"] = "no-store"
        # For whoever keeps no bodies: logs, load, support.
        response.headers["X-Terms"] = f"{now.values.interest}+{now.values.fee}@{now.revision}"
        return CurrentRate(
            rate=now.values.interest, fee=now.values.fee, cost=now.values.cost, revision=now.revision
        )

    return service
