"""The shop's settings and routes: prices to read, and orders that it keeps in its own database."""

from fastapi import Response
from pydantic import BaseModel, Field
from pydantic_settings import SettingsConfigDict
from sqlalchemy import func, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shop import VERSION
from shop.prices import UNIT_PRICE_CENTS, total_cents
from workbook_lib.kit.errors import NotFound
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import WithDatabase
from workbook_lib.kit.storage import Database

__all__ = ["ShopSettings", "build"]


class ShopSettings(WithDatabase):
    """Settings of the shop."""

    model_config = SettingsConfigDict(env_prefix="SHOP_")

    service: str = "shop"
    port: int = 8090
    revision: str = Field(default="unknown", description="commit that was built; the pipeline tells it")
    welcome: str = Field(default="Welcome", description="what a customer reads first")


class Base(DeclarativeBase):
    """The shop's tables."""


class OrderRow(Base):
    """An order. Money in cents."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str]
    quantity: Mapped[int]
    total_cents: Mapped[int]


class NewOrder(BaseModel):
    """What a customer wants."""

    sku: str
    quantity: int = Field(default=1, ge=1, le=1000)


def build(settings: ShopSettings) -> Service:
    """The service, not started."""
    service = Service(settings, title="Shop")
    database = Database(settings.database_url, metadata=Base.metadata)
    service.add_resource(database)
    version = f"{VERSION}+{settings.revision}"

    @service.app.get("/")
    async def about(response: Response) -> dict[str, str]:
        response.headers["X-Version"] = version
        return {"version": version, "environment": settings.environment, "welcome": settings.welcome}

    @service.app.get("/prices/{sku}")
    async def price(sku: str, response: Response, quantity: int = 1) -> dict[str, int | str]:
        if sku not in UNIT_PRICE_CENTS:
            raise NotFound(f"the shop has no {sku!r}")
        response.headers["X-Version"] = version
        return {"sku": sku, "quantity": quantity, "total_cents": total_cents(sku, quantity)}

    @service.app.post("/orders", status_code=201)
    async def order(new: NewOrder) -> dict[str, int]:
        if new.sku not in UNIT_PRICE_CENTS:
            raise NotFound(f"the shop has no {new.sku!r}")
        total = total_cents(new.sku, new.quantity)
        async with database.session() as session:
            await session.execute(insert(OrderRow).values(**new.model_dump(), total_cents=total))
        return {"total_cents": total}

    @service.app.get("/orders")
    async def orders() -> dict[str, int]:
        async with database.session() as session:
            return {"orders": await session.scalar(select(func.count()).select_from(OrderRow)) or 0}

    return service
