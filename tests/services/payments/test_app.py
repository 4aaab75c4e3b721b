"""The payments' contract, over a real local gRPC server."""

import pytest

from services.contracts import payments_pb2
from services.contracts.payments_pb2_grpc import PaymentServiceStub
from services.payments.app import build
from services.payments.settings import PaymentsSettings
from workbook_lib.kit.errors import Conflict, InvalidRequest


@pytest.fixture
async def stub_of(running, rpc_client, database_url, free_port):
    settings = PaymentsSettings(database_url=database_url, grpc_port=free_port())
    async with running(build(settings)), rpc_client(PaymentServiceStub, settings.grpc_port) as client:
        yield client.stub


def _price(cents=1000, user_id="user130"):
    return payments_pb2.ChargeRequest(order_id="o1", user_id=user_id, amount_cents=cents)


async def _balance(stub):
    return (await stub.GetAccount(payments_pb2.AccountRequest(user_id="user130"))).balance_cents


async def test_a_charge_is_taken_and_a_refund_given_back(stub_of):
    with stub_of() as stub:
        assert (await stub.Charge(_price())).balance_cents == 500
        assert (await stub.Refund(payments_pb2.RefundRequest(order_id="o1"))).amount_cents == 1000
        assert await _balance(stub) == 1500


@pytest.mark.parametrize("method", ["Charge", "TryCharge"])
@pytest.mark.parametrize(
    ("request_", "error", "code"),
    [(_price(1501), Conflict, 40902), (_price(0), InvalidRequest, 40001)],
)
async def test_the_contracts_errors_reach_the_caller_as_they_were_raised(
    stub_of, method, request_, error, code
):
    with pytest.raises(error) as raised, stub_of() as stub:
        await getattr(stub, method)(request_)
    assert raised.value.code == code


async def test_a_try_puts_money_aside_that_a_cancel_gives_back_once(stub_of):
    cancel = payments_pb2.CancelChargeRequest(order_id="o1")
    with stub_of() as stub:
        await stub.TryCharge(_price())
        await stub.TryCharge(_price())
        assert await _balance(stub) == 500
        await stub.CancelCharge(cancel)
        await stub.CancelCharge(cancel)
        assert await _balance(stub) == 1500


async def test_a_try_that_was_confirmed_can_not_be_cancelled(stub_of):
    confirm = payments_pb2.ConfirmChargeRequest(order_id="o1")
    with stub_of() as stub:
        await stub.TryCharge(_price())
        await stub.ConfirmCharge(confirm)
        await stub.ConfirmCharge(confirm)
    with pytest.raises(Conflict) as raised, stub_of() as stub:
        await stub.CancelCharge(payments_pb2.CancelChargeRequest(order_id="o1"))
    assert raised.value.code == 40903


async def test_a_try_that_comes_after_its_cancel_is_refused(stub_of):
    with stub_of() as stub:
        await stub.CancelCharge(payments_pb2.CancelChargeRequest(order_id="o1"))
    with pytest.raises(Conflict) as raised, stub_of() as stub:
        await stub.TryCharge(_price())
    assert raised.value.code == 40903
