"""Settings that follow Consul's KV: whole sets, the last good one kept; on a real Consul."""

import asyncio
import json
import uuid
from decimal import Decimal
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field

from workbook_lib.kit import logs
from workbook_lib.kit.consul import Consul
from workbook_lib.kit.settings.live import LiveSettings
from workbook_lib.lab import evidence

Share = Annotated[Decimal, Field(ge=0, le=1)]


class Parts(BaseModel):
    """Two shares that a change sets together."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    left: Share = Field(alias="parts.left")
    right: Share = Field(alias="parts.right")


INITIAL = Parts.model_validate({"parts.left": 1, "parts.right": 0})


@pytest.fixture
async def consul(consul_url):
    async with Consul(consul_url, timeout_seconds=20) as client:
        yield client


@pytest.fixture
def prefix():
    return f"live/test/{uuid.uuid4().hex}"


@pytest.fixture
async def live(consul, prefix):
    following = LiveSettings(consul, prefix, INITIAL)
    await following.start()
    yield following
    await following.stop()


def shares(live):
    return float(live.current.values.left), float(live.current.values.right)


async def put(consul, prefix, **entries):
    return await consul.kv_put_all({f"{prefix}/parts.{name}": value for name, value in entries.items()})


async def test_entries_win_over_the_initial_values_and_their_removal_brings_these_back(consul, prefix, live):
    assert (shares(live), live.current.revision) == ((1, 0), 0)
    index = await put(consul, prefix, left="0.4")
    await evidence.eventually(lambda: live.current.revision == index)
    assert shares(live) == (0.4, 0)
    await consul.kv_delete(f"{prefix}/parts.left")
    await evidence.eventually(lambda: shares(live) == (1, 0))


async def test_what_is_there_at_the_start_is_served_from_the_start(consul, prefix):
    index = await put(consul, prefix, left="0.25", right="0.75")
    following = LiveSettings(consul, prefix, INITIAL, start_timeout_seconds=20)
    await following.start()
    assert (shares(following), following.current.revision) == ((0.25, 0.75), index)
    await following.stop()
    await following.stop()  # again is harmless


async def test_no_reader_sees_half_of_a_change(consul, prefix, live):
    seen, done = set(), asyncio.Event()

    async def read() -> None:
        seen.add(shares(live))
        while not done.is_set():
            await asyncio.sleep(0)
            seen.add(shares(live))  # once more when all is done

    reader = asyncio.create_task(read())
    for step in range(1, 11):
        await put(consul, prefix, left=f"{step / 20}", right=f"{1 - step / 20}")
        await evidence.eventually(lambda step=step: shares(live)[0] == step / 20)
    done.set()
    await reader
    assert len(seen) >= 11
    assert {round(left + right, 6) for left, right in seen} == {1}


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"left": "a half"}, "parts.left: Input should be a valid decimal"),
        ({"left": "2"}, "parts.left: Input should be less than or equal to 1"),
        ({"middle": "0.5"}, "parts.middle: Extra inputs are not permitted"),
        ({"left": b"\xff"}, "a value isn't text in UTF-8"),
    ],
)
async def test_a_set_that_is_no_good_is_refused_whole_and_the_last_good_one_stays(
    consul, prefix, live, entries, reason, capfd
):
    logs.configure("tested", "tested-1", "INFO", form="json")
    good = await put(consul, prefix, left="0.3", right="0.7")
    await evidence.eventually(lambda: live.current.revision == good)
    bad = await put(consul, prefix, right="0.1", **entries)
    refusal = await evidence.eventually(lambda: live.refusal)
    assert (live.current.revision, shares(live)) == (good, (0.3, 0.7))
    assert refusal.revision == bad
    assert refusal.reasons[0].startswith(reason)
    lines = [json.loads(line) for line in "".join(capfd.readouterr()).splitlines() if line.startswith("{")]
    (alert,) = [line for line in lines if line["event"] == "settings refused"]
    assert (alert["level"].upper(), alert["revision"], alert["kept_revision"]) == ("ERROR", bad, good)

    await consul.kv_delete(f"{prefix}/parts.middle")
    mended = await put(consul, prefix, left="0.9", right="0.1")
    await evidence.eventually(lambda: live.current.revision == mended)
    assert live.refusal is None


async def test_without_consul_the_initial_values_stay_and_nothing_is_waited_for_long():
    away = Consul("http://127.0.0.1:9", timeout_seconds=0.5)
    following = LiveSettings(away, "live/none", INITIAL, start_timeout_seconds=0.2)
    await following.start()
    assert following.current.values is INITIAL
    await following.stop()
    await away.stop()
    alone = LiveSettings(None, "live/none", INITIAL)
    await alone.start()
    assert alone.current.values is INITIAL
    await alone.stop()
