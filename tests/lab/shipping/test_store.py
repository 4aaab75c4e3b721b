"""A record counts as kept only when the store can't lose it any more."""

import json

import httpx2
import pytest

from workbook_lib.kit.clock import ManualClock
from workbook_lib.lab.shipping import store
from workbook_lib.lab.shipping.lines import Batch
from workbook_lib.lab.shipping.pump import SinkAway
from workbook_lib.lab.shipping.store import StoreSink


class Scripted:
    """A store that is away, another process, or refuses when told to; test_shipper kills the real one."""

    def __init__(self):
        self.started = 100
        self.away = False
        self.refuses = False
        self.taken = []

    def answer(self, request):
        if self.away:
            raise httpx2.ConnectError("refused")
        if request.url.path == "/metrics":
            return httpx2.Response(200, text=f"up 1\nprocess_start_time_seconds {self.started}\n")
        lines = request.content.decode().splitlines()
        assert lines[0::2] == ['{"create":{}}'] * (len(lines) // 2)
        self.taken += [json.loads(line)["record"] for line in lines[1::2]]
        return httpx2.Response(200, json={"errors": self.refuses})


@pytest.fixture
def scripted(monkeypatch):
    made = Scripted()
    transport = httpx2.MockTransport(made.answer)
    monkeypatch.setattr(
        store, "bulk_client", lambda _: httpx2.AsyncClient(base_url="http://store", transport=transport)
    )
    return made


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def sink(scripted, clock, tmp_path):
    return StoreSink("http://store", tmp_path / "positions.json", keep_seconds=3, clock=clock)


def _batch(number):
    return Batch([{"event": "x", "record": f"a.log:{number}"}], {"a.log": number + 1})


async def test_positions_are_saved_when_the_store_has_had_the_time_to_write(sink, clock, tmp_path):
    await sink.put(_batch(0))
    assert sink.positions == {"a.log": 1}
    await clock.advance(2.9)
    await sink.settle()
    assert not (tmp_path / "positions.json").exists()
    await clock.advance(0.6)
    await sink.settle()
    assert json.loads((tmp_path / "positions.json").read_text()) == {"a.log": 1}


async def test_a_store_that_was_started_anew_gets_again_what_it_may_have_lost(sink, scripted, clock):
    await sink.put(_batch(0))
    await clock.advance(3.5)
    await sink.settle()  # this one is kept
    await sink.put(_batch(1))
    await sink.put(_batch(2))
    scripted.started += 1
    await clock.advance(3.5)
    with pytest.raises(SinkAway, match="started anew"):
        await sink.settle()
    assert sink.positions == {"a.log": 1}
    await sink.put(_batch(1))
    await clock.advance(3.5)
    await sink.settle()
    assert scripted.taken == ["a.log:0", "a.log:1", "a.log:2", "a.log:1"]


@pytest.mark.parametrize("fault", ["away", "refuses"])
async def test_a_store_that_is_away_or_refuses_moves_the_positions_back(sink, scripted, fault):
    await sink.put(_batch(0))
    setattr(scripted, fault, True)
    with pytest.raises(SinkAway):
        await sink.put(_batch(1))
    assert sink.positions == {}


async def test_the_next_process_begins_behind_what_is_kept(sink, scripted, clock, tmp_path):
    await sink.put(_batch(0))
    await clock.advance(3.5)
    await sink.settle()
    await sink.put(_batch(1))
    await sink.finish()
    again = StoreSink("http://store", tmp_path / "positions.json", keep_seconds=3, clock=clock)
    assert again.positions == {"a.log": 1}
