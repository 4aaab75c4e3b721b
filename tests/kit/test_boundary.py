"""Logging and error handling put around code that has neither."""

import asyncio
import json
import logging

import pytest

from workbook_lib.kit import errors, logs
from workbook_lib.kit.boundary import level_of, logged
from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.reporting import listening


@pytest.fixture
def told(capsys):
    logs.configure("demo", "demo-1", "DEBUG")

    def lines():
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return lines


def price(sku, quantity, *, card="4111"):
    """What an order costs: a rule, and nothing else."""
    if quantity < 1:
        raise errors.InvalidRequest("at least one")
    return {"lamp": 5}[sku] * quantity


def test_what_goes_in_and_comes_out_is_unchanged_and_the_name_stays(told):
    watched = logged("price")(price)
    assert watched("lamp", quantity=3) == 15
    assert (watched.__name__, watched.__doc__) == ("price", price.__doc__)


def test_start_end_outcome_and_duration_are_logged_with_the_fields_that_may_be_seen(told):
    clock = ManualClock()

    @logged("price", fields=("sku", "quantity"), clock=clock)
    async def slowly(sku, quantity, card):
        await clock.advance(1.5)
        return price(sku, quantity)

    assert asyncio.run(slowly("lamp", 2, card="4111")) == 10
    started, ended = told()
    assert (started["level"], started["event"], started["call"]) == ("debug", "call started", "price")
    assert (ended["level"], ended["outcome"], ended["latency_ms"]) == ("info", "done", 1500)
    assert (ended["sku"], ended["quantity"]) == ("lamp", 2)
    assert "4111" not in json.dumps([started, ended])


def test_a_known_error_passes_as_it_is_and_is_no_alarm(told):
    with pytest.raises(errors.InvalidRequest, match="at least one"):
        logged("price")(price)("lamp", 0)
    ended = told()[-1]
    assert (ended["level"], ended["outcome"], ended["code"]) == ("info", "refused", 40001)


def test_a_dependency_that_failed_is_known_and_an_error(told):
    @logged("ask")
    def ask():
        raise errors.Unavailable("the store is away")

    with pytest.raises(errors.Unavailable):
        ask()
    ended = told()[-1]
    assert (ended["level"], ended["outcome"], ended["cause"]) == ("error", "failed", "the store is away")


def test_an_unknown_error_is_reported_once_and_its_caller_meets_a_known_one(told):
    reports = []
    with listening(reports.append), pytest.raises(errors.Internal) as caught:
        logged("outer")(logged("inner")(price))("unicorn", 1)
    assert isinstance(caught.value.__cause__, KeyError)
    assert [report.kind for report in reports] == ["KeyError"]
    lines = told()
    assert [line["event"] for line in lines].count("unexpected error") == 1
    ended = [line for line in lines if line["event"] == "call ended"]
    assert [(line["call"], line["level"]) for line in ended] == [("inner", "error"), ("outer", "error")]
    assert ended[0]["fingerprint"] == reports[0].fingerprint


async def test_a_cancelled_call_is_no_error(told):
    task = asyncio.create_task(logged("wait")(asyncio.Event().wait)())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ended = told()[-1]
    assert (ended["level"], ended["outcome"]) == ("info", "cancelled")


def test_only_faults_of_ours_or_of_what_we_need_are_loud():
    assert level_of(errors.NotFound("x")) == logging.INFO
    assert level_of(errors.DeadlineExceeded("x")) == logging.ERROR
