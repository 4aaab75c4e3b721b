"""The inventory's contract, over a real local gRPC server."""

import pytest

from services.contracts import inventory_pb2
from services.contracts.inventory_pb2_grpc import InventoryServiceStub
from services.inventory.app import build
from services.inventory.settings import InventorySettings
from workbook_lib.kit.errors import Conflict, InvalidRequest, NotFound


@pytest.fixture
async def stub_of(running, rpc_client, database_url, free_port):
    settings = InventorySettings(database_url=database_url, grpc_port=free_port())
    async with running(build(settings)), rpc_client(InventoryServiceStub, settings.grpc_port) as client:
        yield client.stub


async def test_stock_tells_name_price_and_what_is_available(stub_of):
    with stub_of() as stub:
        stock = await stub.GetStock(inventory_pb2.StockRequest(sku="desk-lamp"))
    assert stock == inventory_pb2.StockResponse(
        sku="desk-lamp", name="Desk lamp, dimmable", available=3, unit_price_cents=3990
    )


async def test_reserving_lowers_the_stock(stub_of):
    with stub_of() as stub:
        answer = await stub.Reserve(inventory_pb2.ReserveRequest(order_id="o1", sku="desk-lamp", quantity=2))
        stock = await stub.GetStock(inventory_pb2.StockRequest(sku="desk-lamp"))
    assert (answer.unit_price_cents, stock.available) == (3990, 1)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (inventory_pb2.ReserveRequest(order_id="o1", sku="standing-desk", quantity=1), Conflict),
        (inventory_pb2.ReserveRequest(order_id="o1", sku="unicorn", quantity=1), NotFound),
        (inventory_pb2.ReserveRequest(order_id="o1", sku="mouse", quantity=0), InvalidRequest),
    ],
)
async def test_the_contracts_errors_reach_the_caller_as_they_were_raised(stub_of, request_, error):
    with pytest.raises(error), stub_of() as stub:
        await stub.Reserve(request_)
