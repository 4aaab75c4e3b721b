"""What callers count of each version, and how a controller elsewhere reads it."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.kit.test_http import server
from workbook_lib.kit.canary import Attempts, Tally, scrape
from workbook_lib.kit.consul import Instance
from workbook_lib.kit.errors import Unavailable


def instance(version: str) -> Instance:
    return Instance(version, "nlp", "127.0.0.1", 80, meta={"version": version})


def counted() -> Attempts:
    attempts = Attempts("nlp", slow_seconds=0.2)
    attempts.observe(instance("v1"), 0.1, None)
    attempts.observe(instance("v1"), 0.3, None)
    attempts.observe(instance("v2"), 0.3, Unavailable("gone"))
    attempts.observe(instance("v2"), 0.2, None)
    attempts.judge("v2", "unanswered")
    return attempts


EXPECTED = {"v1": Tally(2, {"slow": 1}), "v2": Tally(2, {"failed": 1, "unanswered": 1})}


def test_an_attempt_is_failed_or_slow_or_neither_and_what_else_it_is_its_caller_tells() -> None:
    assert counted().tallies == EXPECTED


async def test_what_several_callers_count_is_read_from_their_metrics_and_added_up() -> None:
    registry = CollectorRegistry()
    registry.register(counted())
    registry.register(Attempts("another", slow_seconds=1))

    async def metrics(_: list[str]) -> tuple[int, str]:
        return 200, generate_latest(registry).decode()

    async with server(metrics) as one, server(metrics) as two:
        assert await scrape("nlp", one) == EXPECTED
        both = await scrape("nlp", one, two)
    assert both == {version: tally + tally for version, tally in EXPECTED.items()}


async def test_a_caller_without_metrics_is_an_error_since_half_the_counts_would_look_like_a_fall() -> None:
    async def nothing(_: list[str]) -> tuple[int, str]:
        return 500, "no"

    async with server(nothing) as broken:
        with pytest.raises(Unavailable, match="offers no metrics"):
            await scrape("nlp", broken)
    with pytest.raises(Unavailable):
        await scrape("nlp", "http://127.0.0.1:1")


def test_tallies_are_added_and_subtracted_way_by_way() -> None:
    later, earlier = Tally(10, {"slow": 3, "failed": 1}), Tally(4, {"slow": 1})
    assert later - earlier == Tally(6, {"slow": 2, "failed": 1})
    assert Tally.total([later, earlier]) == Tally(14, {"slow": 4, "failed": 1})
