"""One contract, two protocols: the gateway's /v1 against the same RPCs called directly."""

import grpc
import pytest

from services.contracts import inventory_pb2
from services.contracts.inventory_pb2_grpc import InventoryServiceStub
from workbook_lib.kit.rpc.status import ERROR_CODE


async def test_the_same_stock_by_rest_and_by_grpc(edge, shelves):
    rest = (await edge.get("/v1/stock/desk-lamp")).json()
    async with grpc.aio.insecure_channel(shelves.next().rpc_target) as channel:
        direct = await InventoryServiceStub(channel).GetStock(inventory_pb2.StockRequest(sku="desk-lamp"))
    assert rest == {
        "sku": direct.sku,
        "name": direct.name,
        "available": direct.available,
        "unitPriceCents": str(direct.unit_price_cents),
    }
    assert (await edge.get("/v1/stock", params={"sku": "desk-lamp"})).json() == rest


async def test_an_order_placed_through_the_contract_is_read_back(edge):
    placed = await edge.post("/v1/users/user123/orders", json={"sku": "mouse", "quantity": 2})
    order = placed.json()
    assert (placed.status_code, order["status"], order["userId"]) == (
        200,
        "ORDER_STATUS_CONFIRMED",
        "user123",
    )
    assert (await edge.get(f"/v1/orders/{order['orderId']}")).json() == order


async def test_one_error_has_one_code_in_both_protocols(edge, shelves):
    rest = await edge.get("/v1/stock/unicorn")
    async with grpc.aio.insecure_channel(shelves.next().rpc_target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await InventoryServiceStub(channel).GetStock(inventory_pb2.StockRequest(sku="unicorn"))
    assert (rest.status_code, raised.value.code()) == (404, grpc.StatusCode.NOT_FOUND)
    assert dict(raised.value.trailing_metadata())[ERROR_CODE] == str(rest.json()["code"]) == "40401"


async def test_what_the_contract_does_not_annotate_is_not_reachable(edge):
    paths = (await edge.get("/openapi.json")).json()["paths"]
    assert not [path for path in paths if "reserve" in path.lower()]
