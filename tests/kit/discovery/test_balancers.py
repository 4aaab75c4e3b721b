"""Rules of "Discovery and balancing" for choosing an instance.

"Round robin is exact under no change (1-1-1, 2-2-2) and safe under concurrency", and "empty is an error of
its own".
"""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.kit.discovery.conftest import Known
from workbook_lib.kit.consul import Instance
from workbook_lib.kit.discovery import (
    LeastOutstanding,
    NoInstances,
    RoundRobin,
    StaticInstances,
    WeightedRandom,
)
from workbook_lib.kit.errors import Unavailable


@pytest.mark.parametrize("each", [1, 2, 100])
def test_round_robin_is_exact_while_nothing_changes(each: int) -> None:
    balancer = RoundRobin(Known("a", "b", "c"))
    taken = [balancer.next().id for _ in range(3 * each)]
    assert taken == ["a", "b", "c"] * each


def test_round_robin_is_exact_when_many_threads_call_at_once() -> None:
    balancer = RoundRobin(Known("a", "b", "c"))
    with ThreadPoolExecutor(16) as threads:
        taken = Counter(threads.map(lambda _: balancer.next().id, range(3000)))
    assert taken == {"a": 1000, "b": 1000, "c": 1000}


async def test_round_robin_is_exact_when_many_tasks_call_at_once() -> None:
    balancer = StaticInstances.at("a:1", "b:1", "c:1")

    async def call() -> str:
        await asyncio.sleep(0)
        return balancer.next().address

    taken = Counter(await asyncio.gather(*(call() for _ in range(300))))
    assert taken == {"a": 100, "b": 100, "c": 100}


def test_who_comes_is_called_and_who_leaves_is_not() -> None:
    known = Known("a", "b")
    balancer = RoundRobin(known)
    balancer.next()
    known.set("b", "c", "d")
    assert sorted(balancer.next().id for _ in range(3)) == ["b", "c", "d"]
    assert [instance.id for instance in balancer.instances] == ["b", "c", "d"]


def test_no_instance_is_an_error_that_tells_why() -> None:
    known = Known()
    with pytest.raises(NoInstances, match="none passes its health check"):
        RoundRobin(known).next()
    known.age_seconds = None
    with pytest.raises(NoInstances, match="Consul hasn't answered yet"):
        RoundRobin(known).next()
    assert issubclass(NoInstances, Unavailable)


def test_a_fixed_list_may_not_be_empty() -> None:
    with pytest.raises(ValueError, match="at least one"):
        StaticInstances([])


def test_a_fixed_list_takes_turns() -> None:
    fixed = StaticInstances.at("http://127.0.0.1:8081", "127.0.0.1:8082")
    assert [fixed.next().port for _ in range(4)] == [8081, 8082, 8081, 8082]


@pytest.mark.parametrize("balancer", [RoundRobin, LeastOutstanding, WeightedRandom])
def test_an_excluded_instance_is_passed_over_and_all_excluded_is_an_error(balancer) -> None:
    balanced = balancer(Known("a", "b", "c"))
    assert {balanced.next(excluding={"b"}).id for _ in range(100)} == {"a", "c"}
    with balanced.lease(excluding={"a", "c"}) as instance:
        assert instance.id == "b"
    with pytest.raises(NoInstances, match="all 3 are excluded"):
        balanced.next(excluding={"a", "b", "c"})


def test_while_one_is_excluded_the_others_share_its_turns_exactly() -> None:
    balancer = RoundRobin(Known("a", "b", "c"))
    assert Counter(balancer.next(excluding={"b"}).id for _ in range(300)) == {"a": 150, "c": 150}


def test_the_least_busy_instance_is_called_and_idle_ones_take_turns() -> None:
    balancer = LeastOutstanding(Known("a", "b", "c"))
    assert Counter(balancer.next().id for _ in range(300)) == {"a": 100, "b": 100, "c": 100}
    with balancer.lease() as first, balancer.lease() as second:
        assert first.id != second.id
        third = ({"a", "b", "c"} - {first.id, second.id}).pop()
        assert {balancer.next().id for _ in range(5)} == {third}
        assert balancer.outstanding == {first.id: 1, second.id: 1}
    assert balancer.outstanding == {}


@pytest.mark.parametrize("ending", ["returns", "fails", "is cancelled"])
async def test_a_call_that_has_ended_in_any_way_is_outstanding_no_more(ending) -> None:
    balancer = LeastOutstanding(Known("a"))
    answer = asyncio.get_running_loop().create_future()

    async def call() -> None:
        with balancer.lease():
            await answer

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    assert balancer.outstanding == {"a": 1}
    match ending:
        case "returns":
            answer.set_result(None)
        case "fails":
            answer.set_exception(ZeroDivisionError())
        case "is cancelled":
            task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert balancer.outstanding == {}


async def test_a_slow_instance_gets_less_by_least_outstanding_and_the_same_by_turns() -> None:
    """One of three takes ten times as long: its queue is never longer than the others'."""

    async def share(balancer) -> Counter[str]:
        called: Counter[str] = Counter()

        async def caller() -> None:
            for _ in range(50):
                with balancer.lease() as instance:
                    called[instance.id] += 1
                    for _ in range(20 if instance.id == "slow" else 2):
                        await asyncio.sleep(0)

        await asyncio.gather(*(caller() for _ in range(6)))
        return called

    known = Known("quick", "quick too", "slow")
    assert (await share(RoundRobin(known)))["slow"] == 100
    assert (await share(LeastOutstanding(known)))["slow"] < 60


def test_a_fixed_list_can_be_balanced_too() -> None:
    balancer = LeastOutstanding(StaticInstances.at("127.0.0.1:1", "127.0.0.1:2"))
    with balancer.lease() as first, balancer.lease() as second:
        assert {first.port, second.port} == {1, 2}


def weighing(**weights: int) -> Known:
    known = Known()
    known.instances = [Instance(name, "shop", "127.0.0.1", 80, weight=each) for name, each in weights.items()]
    return known


def test_a_weighted_draw_gives_each_its_part_of_the_line_and_no_more() -> None:
    """Weights 19 and 1: draws below 0.95 are the first's, those from there on the other's."""
    draws = iter([0.0, 0.5, 0.9499, 0.95, 0.9999])
    balancer = WeightedRandom(weighing(stable=950, canary=50), draw=lambda: next(draws))
    assert [balancer.next().id for _ in range(5)] == ["stable"] * 3 + ["canary"] * 2


def test_over_evenly_spread_draws_the_shares_are_the_weights_exactly() -> None:
    draws = iter(number / 2000 for number in range(2000))
    balancer = WeightedRandom(weighing(a=950, b=50, c=1000), draw=lambda: next(draws))
    assert Counter(balancer.next().id for _ in range(2000)) == {"a": 950, "b": 50, "c": 1000}


def test_a_changed_weight_counts_from_the_next_call_on() -> None:
    known = weighing(a=1, b=1)
    balancer = WeightedRandom(known, draw=lambda: 0.9)
    assert balancer.next().id == "b"
    known.instances = weighing(a=99, b=1).instances
    assert balancer.next().id == "a"
