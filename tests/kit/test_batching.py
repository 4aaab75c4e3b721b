"""Micro-batches: when one goes, who is in it, and what becomes of errors and of callers who have gone."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from workbook_lib.kit.batching import MicroBatcher
from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.errors import Internal, Unavailable


class Doubling:
    """Doubles numbers, batch by batch; each batch waits until it is let go."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Semaphore(0 if held else 1000)

    async def __call__(self, items):
        self.batches.append(list(items))
        await self.go.acquire()
        if 13 in items:
            raise ValueError("13")
        return [2 * item for item in items]


@asynccontextmanager
async def _batching(run, **options):
    options = {"max_batch": 4, "max_wait_seconds": 0.0} | options
    batcher = MicroBatcher(run, **options)
    await batcher.start()
    yield batcher
    await batcher.stop()


async def _settled():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_each_caller_gets_its_own_result_and_the_size_of_its_batch():
    run = Doubling()
    async with _batching(run) as batcher:
        results = await asyncio.gather(*(batcher.submit(number) for number in range(6)))
    assert [result.value for result in results] == [0, 2, 4, 6, 8, 10]
    assert [result.batch_size for result in results] == [4, 4, 4, 4, 2, 2]
    assert run.batches == [[0, 1, 2, 3], [4, 5]]


async def test_a_lone_item_waits_for_company_as_long_as_it_was_told_and_no_longer():
    run, clock = Doubling(), ManualClock()
    async with _batching(run, max_wait_seconds=0.002, clock=clock) as batcher:
        asked = asyncio.create_task(batcher.submit(1))
        await clock.advance(0.0019)
        assert run.batches == []
        await clock.advance(0.0001)
        result = await asked
    assert run.batches == [[1]]
    assert result.waited_seconds == pytest.approx(0.002)


async def test_a_full_batch_waits_for_nothing():
    run, clock = Doubling(), ManualClock()
    async with _batching(run, max_wait_seconds=60, clock=clock) as batcher:
        async with asyncio.timeout(10):
            await asyncio.gather(*(batcher.submit(number) for number in range(4)))
    assert run.batches == [[0, 1, 2, 3]]


async def test_while_one_batch_is_under_way_the_next_one_fills_and_goes_at_once():
    run, clock = Doubling(held=True), ManualClock()
    async with _batching(run, max_wait_seconds=0.002, clock=clock) as batcher:
        first = asyncio.create_task(batcher.submit(0))
        await clock.advance(0.002)
        later = [asyncio.create_task(batcher.submit(number)) for number in (1, 2, 3)]
        await clock.advance(0.01)
        assert run.batches == [[0]]
        run.go.release()
        await first
        await _settled()  # no time passes
        assert run.batches == [[0], [1, 2, 3]]
        run.go.release()
        await asyncio.gather(*later)


async def test_an_error_is_every_callers_of_that_batch_and_nobody_elses():
    async with _batching(Doubling(), max_batch=2) as batcher:
        results = await asyncio.gather(
            *(batcher.submit(number) for number in (13, 1, 2, 3)), return_exceptions=True
        )
    assert [type(result) for result in results[:2]] == [ValueError, ValueError]
    assert [result.value for result in results[2:]] == [4, 6]


async def test_whoever_has_given_up_is_left_out_of_the_batch():
    run = Doubling(held=True)
    async with _batching(run) as batcher:
        first = asyncio.create_task(batcher.submit(0))
        await _settled()
        gone, stays = asyncio.create_task(batcher.submit(1)), asyncio.create_task(batcher.submit(2))
        await _settled()
        gone.cancel()
        run.go.release()
        run.go.release()
        await asyncio.gather(first, stays)
    assert run.batches == [[0], [2]]


async def test_one_more_than_may_wait_is_refused_at_once():
    run = Doubling(held=True)
    async with _batching(run, max_waiting=2) as batcher:
        under_way = [asyncio.create_task(batcher.submit(0))]
        await _settled()
        under_way += [asyncio.create_task(batcher.submit(number)) for number in (1, 2)]
        await _settled()
        with pytest.raises(Unavailable, match="2 are waiting"):
            await batcher.submit(3)
        for _ in under_way:
            run.go.release()
        await asyncio.gather(*under_way)


async def test_a_result_missing_is_an_error_and_no_wrong_answer():
    async def forgetful(items):
        return list(items)[1:]

    async with _batching(forgetful) as batcher:
        with pytest.raises(Internal, match="0 results for 1"):
            await batcher.submit(1)


async def test_stopping_cancels_who_waits_and_who_is_under_way_and_takes_no_more():
    run = Doubling(held=True)
    async with _batching(run, max_batch=1) as batcher:
        asked = [asyncio.create_task(batcher.submit(number)) for number in (1, 2)]
        await _settled()
        await batcher.stop()
        await asyncio.wait(asked, timeout=10)
        assert [each.cancelled() for each in asked] == [True, True]
        with pytest.raises(Unavailable):
            await batcher.submit(3)
        with pytest.raises(Unavailable):
            await batcher.check()


@pytest.mark.parametrize("wrong", [{"max_batch": 0}, {"max_wait_seconds": -1}])
def test_a_batch_of_none_and_a_negative_wait_are_refused(wrong):
    with pytest.raises(ValueError, match="max_"):
        MicroBatcher(Doubling(), **({"max_batch": 1, "max_wait_seconds": 0} | wrong))
