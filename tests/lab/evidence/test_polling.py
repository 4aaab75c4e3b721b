"""Waiting is for a condition, has a bound, and says what was seen last."""

import asyncio

import pytest

from workbook_lib.lab.evidence import EvidenceTimeout, eventually


async def test_the_first_truthy_value_is_returned():
    values = iter([0, None, 7, 8])
    assert await eventually(lambda: next(values), 5, interval_seconds=0.001) == 7


async def test_an_async_check_and_its_exceptions_count_as_not_yet():
    seen = []

    async def check():
        seen.append(1)
        if len(seen) < 3:
            raise ConnectionError("not up")
        return "up"

    assert await eventually(check, 5, interval_seconds=0.001) == "up"


async def test_the_timeout_tells_the_last_error_and_keeps_it_as_cause():
    def check():
        raise ConnectionError("refused")

    with pytest.raises(
        EvidenceTimeout, match=r"within 0.02 s; the last try failed with ConnectionError: refused"
    ) as e:
        await eventually(check, 0.02, interval_seconds=0.005)
    assert isinstance(e.value.__cause__, ConnectionError)


async def test_the_timeout_tells_the_last_value():
    with pytest.raises(EvidenceTimeout, match=r"the last value was \[\]"):
        await eventually(list, 0.02, interval_seconds=0.005)


async def test_a_check_that_hangs_is_cut_at_the_deadline():
    async def hang():
        await asyncio.Event().wait()

    with pytest.raises(EvidenceTimeout, match="TimeoutError"):
        await asyncio.wait_for(eventually(hang, 0.05), 20)
