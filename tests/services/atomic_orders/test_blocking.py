"""What two-phase commit costs: a coordinator that dies at the wrong moment blocks others until it is back."""

import asyncio

import httpx2
import pytest

from workbook_lib.kit.postgres import database_url
from workbook_lib.lab import Lab, faults
from workbook_lib.lab.comparison import try_to_write
from workbook_lib.lab.evidence import eventually, rows

pytestmark = pytest.mark.server

ORDER = {"user_id": "user123", "sku": "keyboard", "quantity": 2}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """One for all tests: each leaves the service running and nothing in doubt."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("POSTGRES_URL", raising=False)
        lab = Lab("2pc", root=tmp_path_factory.mktemp("2pc"))
        asyncio.run(lab.start("atomic_orders"))
        yield lab
        asyncio.run(lab.stop())


async def _place(lab):
    async with httpx2.AsyncClient(base_url=lab["atomic_orders"].url, timeout=10) as client:
        return await client.post("/orders", json=ORDER)


async def _available(lab, sql="SELECT available FROM items WHERE sku = 'keyboard'"):
    return (await rows(database_url(lab["postgres"].url, "atomic_stock"), sql))[0]["available"]


async def _in_doubt(lab):
    return len(await rows(lab["postgres"].url, "SELECT gid FROM pg_prepared_xacts"))


async def _take_one(lab):
    """Somebody else's transaction on the same row, who won't wait for long."""
    taking = "UPDATE items SET available = available - 1 WHERE sku = 'keyboard'"
    url = database_url(lab["postgres"].url, "atomic_stock")
    return (await try_to_write(url, taking, patience_seconds=0.1)).done


@pytest.mark.parametrize(("step", "taken"), [("two-phase.prepared.2", 0), ("two-phase.decided", 2)])
async def test_rows_in_doubt_block_until_the_coordinator_is_back_and_decides(lab, step, taken):
    before = await _available(lab)
    await faults.kill_at(lab["atomic_orders"], step)
    with pytest.raises(httpx2.TransportError):
        await _place(lab)
    assert await faults.died(lab["atomic_orders"]) == -9
    assert await _in_doubt(lab) == 2
    assert await _available(lab) == before  # readers go on, and see the state before
    assert not await _take_one(lab)

    await lab.start("atomic_orders")
    await eventually(lambda: _nothing_in_doubt(lab))
    assert await _available(lab) == before - taken
    assert await _take_one(lab)
    assert (await _place(lab)).status_code == 201


async def test_a_coordinator_that_stands_still_blocks_too_and_goes_on_as_if_nothing_had_been(lab):
    step = "two-phase.decided"
    before = (await faults.passed(lab["atomic_orders"])).get(step, 0)
    async with faults.held_at(lab["atomic_orders"], step) as held:
        placing = asyncio.create_task(_place(lab))
        await held.reached()
        assert await _in_doubt(lab) == 2
        assert not await _take_one(lab)
    assert (await placing).status_code == 201
    assert await _in_doubt(lab) == 0
    assert (await faults.passed(lab["atomic_orders"]))[step] == before + 1


async def _nothing_in_doubt(lab):
    return await _in_doubt(lab) == 0
