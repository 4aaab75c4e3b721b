"""Faults of processes happen at once, hit the whole tree, and are undone or expected."""

import asyncio
import json

import psutil
import pytest

from workbook_lib.lab import LabError, faults
from workbook_lib.lab.evidence import eventually
from workbook_lib.lab.readiness import http_get


async def test_a_killed_service_is_no_loss_and_comes_back_where_it_was(echo):
    killed = echo["echo"]
    url = killed.url
    await faults.kill(killed)
    assert not killed.alive
    echo.check()
    await echo.start("echo")
    assert (echo["echo"].url, echo["echo"].pid != killed.pid) == (url, True)


async def test_one_that_dies_by_itself_is_a_loss_until_its_death_is_called_intended(echo):
    handle, url = echo["echo"], echo["echo"].url
    with pytest.raises(OSError):
        await asyncio.to_thread(_post, handle.port())
    with pytest.raises(LabError, match="exited with code 3"):
        await asyncio.wait_for(_until_lost(echo), 10)
    assert await faults.died(handle) == 3
    echo.check()
    await echo.start("echo")
    assert echo["echo"].url == url


async def test_waiting_for_a_death_that_doesnt_come_ends_with_an_error(echo):
    with pytest.raises(LabError, match=r"echo still runs after 0.1 s"):
        await faults.died(echo["echo"], timeout_seconds=0.1)


async def test_a_paused_service_keeps_its_port_and_answers_nobody_and_then_goes_on(echo):
    handle = echo["echo"]
    child = psutil.Process(json.loads((await eventually(lambda: http_get(handle.url)))[1])["child"])
    async with faults.paused(handle):
        assert child.status() == psutil.STATUS_STOPPED  # although in a session of its own
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(http_get(handle.url), 0.3)
    assert await eventually(lambda: http_get(handle.url))
    assert child.status() != psutil.STATUS_STOPPED


async def test_a_pause_ends_with_the_block_however_that_ends(echo):
    with pytest.raises(ZeroDivisionError):
        async with faults.paused(echo["echo"]):
            raise ZeroDivisionError
    assert await eventually(lambda: http_get(echo["echo"].url))


def _post(port: int) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/")
    connection.getresponse()


async def _until_lost(lab):
    while True:
        lab.check()
        await asyncio.sleep(0.01)
