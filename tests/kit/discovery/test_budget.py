"""A retry budget allows a share of the calls of its window, as Finagle's does, and some a second besides."""

import pytest

from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.discovery import RetryBudget


def taken(budget: RetryBudget, most: int = 1000) -> int:
    """How many retries it allows at once."""
    return next((count for count in range(most) if not budget.withdraw()), most)


@pytest.mark.parametrize(("calls", "retries"), [(0, 0), (4, 0), (5, 1), (100, 20), (999, 199)])
def test_a_fifth_of_the_calls_may_be_retries(calls: int, retries: int) -> None:
    budget = RetryBudget(0.2, min_per_second=0, clock=ManualClock())
    for _ in range(calls):
        budget.deposit()
    assert taken(budget) == retries


def test_a_client_with_few_calls_has_its_minimum() -> None:
    budget = RetryBudget(0.2, min_per_second=2, window_seconds=10, clock=ManualClock())
    assert budget.balance == 20
    assert taken(budget) == 20
    for _ in range(5):
        budget.deposit()
    assert taken(budget) == 1


async def test_calls_and_retries_count_for_the_window_and_no_longer() -> None:
    clock = ManualClock()
    budget = RetryBudget(0.5, min_per_second=0, window_seconds=10, clock=clock)
    for _ in range(10):
        budget.deposit()
    await clock.advance(9)
    assert taken(budget) == 5
    for _ in range(4):
        budget.deposit()
    await clock.advance(2)  # the first calls are over, the retries taken for them aren't
    assert budget.balance == -3
    assert not budget.withdraw()
    await clock.advance(8)
    assert budget.balance == 0


async def test_an_outage_multiplies_the_load_by_the_share_and_not_by_the_retries() -> None:
    """A thousand calls, each of which fails and may be sent twice more: 20 % more, not 200 %."""
    clock = ManualClock()
    budget = RetryBudget(0.2, min_per_second=0, clock=clock)
    sent = 0
    for _ in range(1000):
        budget.deposit()
        sent += 1 + (budget.withdraw() and 1 + budget.withdraw())
        await clock.advance(0.1)
    assert 1190 <= sent <= 1200


@pytest.mark.parametrize("wrong", [{"ratio": -0.1}, {"min_per_second": -1}, {"window_seconds": 0}])
def test_what_makes_no_budget_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="may not be negative"):
        RetryBudget(**wrong)
