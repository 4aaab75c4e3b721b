"""Ordering in a user's name: the order service does it, this tells callers how it went in HTTP's words."""

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from services.contracts import orders_pb2
from services.users.profiles import Profiles
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.fields import WHOLE
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.kit.service import error_answers

if TYPE_CHECKING:
    from services.contracts.orders_pb2_grpc import OrderServiceAsyncStub

__all__ = ["order_routes"]

Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class NewOrder(BaseModel):
    """What a user wants to order; orders and inventory hold the rules."""

    sku: str = Field(min_length=1, max_length=64)
    quantity: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1), WHOLE] = 1
    coordination: Literal["RESERVE_ONLY", "ORCHESTRATION", "CHOREOGRAPHY", "TCC"] | None = Field(
        default=None, description="who sees to it that stock and money go together; null: as orders is set"
    )


class OrderError(BaseModel):
    """Why an order was cancelled."""

    code: int
    message: str


class OrderView(BaseModel):
    """An order. Money in cents."""

    order_id: str
    user_id: str
    user_name: str
    sku: str
    quantity: int
    status: str
    total_cents: int
    created_at: str
    coordination: str
    error: OrderError | None


def order_routes(profiles: Profiles, orders: "RpcClient[OrderServiceAsyncStub]") -> APIRouter:
    """Order in a user's name."""
    router = APIRouter(prefix="/users/{user_id}/orders")

    @router.post(
        "",
        status_code=201,
        responses={202: {"model": OrderView, "description": "Pending yet"}, **error_answers(Conflict)},
    )
    async def place_order(user_id: Id, new: NewOrder, response: Response) -> OrderView:
        """201 with a confirmed order; 202 with a pending one: Location is where to ask how it ended."""
        user = (await profiles.get(user_id)).user
        request = orders_pb2.PlaceOrderRequest(
            user_id=user.id,
            sku=new.sku,
            quantity=new.quantity,
            coordination=f"COORDINATION_{new.coordination or 'UNSPECIFIED'}",
        )
        with orders.stub() as stub:
            order = await stub.PlaceOrder(request)
        response.headers["Location"] = f"/users/{user.id}/orders/{order.order_id}"
        if order.status == orders_pb2.ORDER_STATUS_PENDING:
            response.status_code = 202
        return _view(order, user.name)

    @router.get("/{order_id}")
    async def get_order(user_id: Id, order_id: Id) -> OrderView:
        """One order of this user, as it stands."""
        user = (await profiles.get(user_id)).user
        with orders.stub() as stub:
            order = await stub.GetOrder(orders_pb2.GetOrderRequest(order_id=order_id))
        if order.user_id != user.id:
            raise NotFound(f"{user.id} has no order {order_id!r}")
        return _view(order, user.name)

    return router


def _view(order: orders_pb2.Order, user_name: str) -> OrderView:
    error = OrderError(code=order.error_code, message=order.error_message) if order.error_code else None
    return OrderView(
        order_id=order.order_id,
        user_id=order.user_id,
        user_name=user_name,
        sku=order.sku,
        quantity=order.quantity,
        status=orders_pb2.OrderStatus.Name(order.status).removeprefix("ORDER_STATUS_"),
        total_cents=order.total_cents,
        created_at=order.created_at,
        coordination=orders_pb2.Coordination.Name(order.coordination).removeprefix("COORDINATION_"),
        error=error,
    )
