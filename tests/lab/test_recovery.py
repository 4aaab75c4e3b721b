"""Evidence names suspects, and repairs in that order end an incident."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from workbook_lib.lab.evidence import EvidenceError, Span, Trace
from workbook_lib.lab.recovery import recover, suspects_by_logs, suspects_by_traces

SINCE = datetime(2026, 11, 26, 12, tzinfo=UTC)


def _span(number, parent, service, kind, start_ms, end_ms):
    return Span(
        trace_id="t",
        id=str(number),
        parent_id=parent and str(parent),
        service=service,
        instance=service,
        name="order",
        kind=kind,
        start_ns=round(start_ms * 1e6),
        end_ns=round(end_ms * 1e6),
        failed=False,
        status_message="",
        attributes={},
        events=(),
        links=(),
    )


def _order(late_ms=0):
    """Orders calls inventory; so much is lost on each way, and inventory itself always takes 2 ms."""
    return Trace.of(
        [
            _span(1, None, "orders", "server", 0, 10 + 2 * late_ms),
            _span(2, 1, "orders", "client", 2, 8 + 2 * late_ms),
            _span(3, 2, "inventory", "server", 4 + late_ms, 6 + late_ms),
        ]
    )


def test_traces_name_the_one_that_is_hard_to_reach_although_it_is_quick_itself():
    named = suspects_by_traces([_order()], [_order(80), _order(80)], ("inventory", "orders"))
    assert list(named) == ["inventory", "orders"]
    assert named == pytest.approx({"inventory": 160, "orders": 0})


def test_traces_that_chance_made_slow_do_not_count():
    quick = [_order(80) for _ in range(3)]
    assert suspects_by_traces([_order()], [*quick, _order(5000)], ("inventory",)) == pytest.approx(
        {"inventory": 160}
    )


@pytest.fixture
def log_of(tmp_path):
    """A process whose log has these lines: seconds after SINCE, call, milliseconds."""

    def make(name, *lines):
        path = tmp_path / f"{name}.log"
        records = [
            {
                "event": "rpc",
                "time": (SINCE + timedelta(seconds=at)).isoformat(),
                "method": call,
                "latency_ms": took,
            }
            for at, call, took in lines
        ]
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return SimpleNamespace(log_path=path)

    return make


def test_each_log_tells_how_long_its_own_service_took_waiting_included(log_of):
    processes = {
        "inventory": log_of("inventory", (-1, "Reserve", 2.0), (1, "Reserve", 2.5)),
        "orders": log_of("orders", (-1, "Place", 10.0), (1, "Place", 170.0), (2, "Get", 1.0)),
    }
    named = suspects_by_logs(processes, SINCE)
    assert list(named) == ["orders", "inventory"]
    assert named == pytest.approx({"orders": 160, "inventory": 0.5})


def test_a_log_with_nothing_to_compare_is_said_to_be_one(log_of):
    with pytest.raises(EvidenceError, match="orders has logged no call"):
        suspects_by_logs({"orders": log_of("orders", (1, "Place", 10.0))}, SINCE)


class Sick:
    """An incident that ends when the guilty one is repaired."""

    def __init__(self, guilty):
        self._guilty = guilty
        self.well = False

    async def repair(self, service):
        self.well = service == self._guilty

    async def is_well(self):
        return self.well


async def test_repairs_end_with_the_one_that_helps():
    incident = Sick("b")
    ended = await recover("logs", incident, ("a", "b", "c"), incident.is_well)
    assert (ended.way, ended.in_vain, ended.guilty, ended.tries) == ("logs", ("a",), "b", 2)


async def test_an_incident_that_no_repair_ends_is_told():
    incident = Sick("somebody else")
    with pytest.raises(EvidenceError, match="still ill after repairs of a, b"):
        await recover("logs", incident, ("a", "b"), incident.is_well)
