"""The shop's orders and stock over HTTP, as they are seen through the gateway."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from services.inventory.domain import Item
from services.monolith.placing import OrderDesk
from services.monolith.store import ShopStore
from services.monolith.user_routes import UserId
from services.orders.domain import Order
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.fields import WHOLE
from workbook_lib.kit.service import error_answers

__all__ = ["order_routes", "stock_routes"]

Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class NewOrder(BaseModel):
    """What a user wants to order. One transaction needs no coordination, and nobody is asked for money."""

    sku: str = Field(min_length=1, max_length=64)
    quantity: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1), WHOLE] = 1
    coordination: Literal["RESERVE_ONLY"] | None = None


class OrderError(BaseModel):
    """Why an order was cancelled."""

    code: int
    message: str


class OrderView(BaseModel):
    """An order. Money in cents."""

    order_id: str
    user_id: str
    sku: str
    quantity: int
    status: str
    total_cents: int
    created_at: str
    coordination: str
    error: OrderError | None


class UsersOrderView(OrderView):
    """An order, shown to its user."""

    user_name: str


class StockView(BaseModel):
    """What is available of one SKU. Money in cents."""

    sku: str
    name: str
    available: int
    unit_price_cents: int


def order_routes(desk: OrderDesk, store: ShopStore) -> APIRouter:
    """Order in a user's name, and look at orders."""
    router = APIRouter()

    @router.post("/users/{user_id}/orders", status_code=201, responses=error_answers(Conflict))
    async def place_order(user_id: UserId, new: NewOrder, response: Response) -> UsersOrderView:
        """A confirmed order: here none is ever pending."""
        user = await store.user(user_id)
        order = await desk.place(user_id, new.sku, new.quantity)
        response.headers["Location"] = f"/users/{user_id}/orders/{order.id}"
        return UsersOrderView(**_view(order).model_dump(), user_name=user.name)

    @router.get("/users/{user_id}/orders/{order_id}")
    async def get_users_order(user_id: UserId, order_id: Name) -> UsersOrderView:
        """One order of this user."""
        user = await store.user(user_id)
        order = await store.order(order_id)
        if order.user_id != user.id:
            raise NotFound(f"{user.id} has no order {order_id!r}")
        return UsersOrderView(**_view(order).model_dump(), user_name=user.name)

    @router.get("/orders/{order_id}")
    async def get_order(order_id: Name) -> OrderView:
        """One order."""
        return _view(await store.order(order_id))

    return router


def stock_routes(store: ShopStore) -> APIRouter:
    """What is available."""
    router = APIRouter(prefix="/inventory")

    @router.get("/{sku}")
    async def get_stock(sku: Name) -> StockView:
        return _stock(await store.item(sku))

    return router


def _view(order: Order) -> OrderView:
    failed = order.error_code != 0
    return OrderView(
        order_id=order.id,
        user_id=order.user_id,
        sku=order.sku,
        quantity=order.quantity,
        status=order.status,
        total_cents=order.total_cents,
        created_at=order.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        coordination=order.coordination,
        error=OrderError(code=order.error_code, message=order.error_message) if failed else None,
    )


def _stock(item: Item) -> StockView:
    return StockView(
        sku=item.sku, name=item.name, available=item.available, unit_price_cents=item.unit_price_cents
    )
