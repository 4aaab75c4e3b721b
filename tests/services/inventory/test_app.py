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


def _wanted(quantity=2, sku="desk-lamp", order_id="o1"):
    return inventory_pb2.ReserveRequest(order_id=order_id, sku=sku, quantity=quantity)


async def _lamps(stub):
    return (await stub.GetStock(inventory_pb2.StockRequest(sku="desk-lamp"))).available


async def test_stock_tells_name_price_and_what_is_available(stub_of):
    with stub_of() as stub:
        stock = await stub.GetStock(inventory_pb2.StockRequest(sku="desk-lamp"))
    assert stock == inventory_pb2.StockResponse(
        sku="desk-lamp", name="Desk lamp, dimmable", available=3, unit_price_cents=3990
    )


async def test_reserving_lowers_the_stock_and_releasing_raises_it(stub_of):
    with stub_of() as stub:
        answer = await stub.Reserve(_wanted())
        assert (answer.unit_price_cents, await _lamps(stub)) == (3990, 1)
        released = await stub.Release(inventory_pb2.ReleaseRequest(order_id="o1"))
        assert (released.quantity, await _lamps(stub)) == (2, 3)


@pytest.mark.parametrize("method", ["Reserve", "TryReserve"])
@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (_wanted(1, sku="standing-desk"), Conflict),
        (_wanted(1, sku="unicorn"), NotFound),
        (_wanted(0, sku="mouse"), InvalidRequest),
    ],
)
async def test_the_contracts_errors_reach_the_caller_as_they_were_raised(stub_of, method, request_, error):
    with pytest.raises(error), stub_of() as stub:
        await getattr(stub, method)(request_)


async def test_a_try_holds_stock_that_a_cancel_gives_back_once(stub_of):
    cancel = inventory_pb2.CancelReserveRequest(order_id="o1")
    with stub_of() as stub:
        await stub.TryReserve(_wanted())
        await stub.TryReserve(_wanted())
        assert await _lamps(stub) == 1
        await stub.CancelReserve(cancel)
        await stub.CancelReserve(cancel)
        assert await _lamps(stub) == 3


async def test_a_try_that_was_confirmed_can_not_be_cancelled(stub_of):
    confirm = inventory_pb2.ConfirmReserveRequest(order_id="o1")
    with stub_of() as stub:
        await stub.TryReserve(_wanted())
        await stub.ConfirmReserve(confirm)
        await stub.ConfirmReserve(confirm)
        with pytest.raises(Conflict) as raised, stub_of() as other:
            await other.CancelReserve(inventory_pb2.CancelReserveRequest(order_id="o1"))
        assert (raised.value.code, await _lamps(stub)) == (40903, 1)


async def test_a_try_that_comes_after_its_cancel_is_refused(stub_of):
    with stub_of() as stub:
        await stub.CancelReserve(inventory_pb2.CancelReserveRequest(order_id="o1"))
    with pytest.raises(Conflict) as raised, stub_of() as stub:
        await stub.TryReserve(_wanted())
    assert raised.value.code == 40903
    with stub_of() as stub:
        assert await _lamps(stub) == 3
