"""A greeting in the caller's language: text, plural forms, money and a date."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.i18n import Translator, translator_of

__all__ = ["greeting_routes"]


class Greeting(BaseModel):
    """What a shop says to somebody who comes back."""

    language: str = Field(description="BCP 47", examples=["zh-Hans"])
    greeting: str
    basket: str
    total: str
    today: str


def greeting_routes(clock: Clock = SYSTEM_CLOCK) -> APIRouter:
    """Greet, by Accept-Language."""
    router = APIRouter()

    @router.get("/greeting")
    async def greet(
        say: Annotated[Translator, Depends(translator_of)],
        name: Annotated[str, Query(min_length=1, max_length=64)],
        items: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        total_cents: Annotated[int, Query(ge=0, le=10**12)] = 0,
    ) -> Greeting:
        return Greeting(
            language=say.tag,
            greeting=say.text("Hello, %(name)s!", name=name),
            basket=say.plural(
                "You have one item in your basket.", "You have %(count)s items in your basket.", items
            ),
            total=say.text("Together they cost %(money)s.", money=say.money(total_cents)),
            today=say.text("Today is %(date)s.", date=say.date(clock.now().date())),
        )

    return router
