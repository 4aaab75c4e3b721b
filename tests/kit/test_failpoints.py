"""Failpoints: counted always, acting only when armed. What kill and stop do: kit/service/test_faults.py."""

import itertools
import re
from collections.abc import Iterator

import pytest

from workbook_lib.kit import failpoints
from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.failpoints import InjectedFault, failpoint
from workbook_lib.kit.settings import ServiceSettings

_numbers = itertools.count()


@pytest.fixture
def name() -> Iterator[str]:
    """A failpoint that no other test has passed."""
    name = f"test.{next(_numbers)}"
    yield name
    failpoints.disarm(name)


def test_a_pass_is_counted_and_does_nothing(name):
    for _ in range(3):
        failpoint(name)
    assert failpoints.passed()[name] == 3


def test_they_are_listed_in_the_order_of_their_last_pass(name):
    for passed in (name, f"{name}.a", f"{name}.b", name):
        failpoint(passed)
    assert list(failpoints.passed())[-3:] == [f"{name}.a", f"{name}.b", name]


def test_an_armed_one_acts_once_and_the_error_can_be_retried(name):
    failpoints.arm(name, "error")
    with pytest.raises(InjectedFault, match=name):
        failpoint(name)
    failpoint(name)
    assert issubclass(InjectedFault, Unavailable)
    assert InjectedFault.retryable
    assert failpoints.passed()[name] == 2


def test_the_count_is_of_passes_from_the_arming_on(name):
    failpoint(name)
    failpoints.arm(name, "error", count=3)
    assert failpoints.armed()[name] == "error*3"
    failpoint(name)
    failpoint(name)
    assert failpoints.armed()[name] == "error"
    with pytest.raises(InjectedFault):
        failpoint(name)
    assert name not in failpoints.armed()


def test_a_disarmed_one_lets_pass_and_others_are_not_touched(name):
    failpoints.arm(name, "error")
    failpoint(f"{name}.other")
    failpoints.disarm(name)
    failpoints.disarm(name)
    failpoint(name)


def test_the_text_of_the_setting_arms_several(name):
    failpoints.arm_all(f" {name}=error*2 ; {name}.other=kill;")
    assert (failpoints.armed()[name], failpoints.armed()[f"{name}.other"]) == ("error*2", "kill")
    failpoints.disarm(f"{name}.other")


@pytest.mark.parametrize("text", ["a", "a=", "=kill", "a=explode", "a=kill*", "a=kill*0", "a=kill*x"])
def test_a_text_that_cannot_be_read_is_refused(text):
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        failpoints.parse(text)
    with pytest.raises(ValueError, match="failpoints"):
        ServiceSettings(failpoints=text)


def test_a_count_below_one_is_refused(name):
    with pytest.raises(ValueError, match="0th"):
        failpoints.arm(name, "kill", count=0)


def test_no_fault_is_armed_in_prod():
    with pytest.raises(ValueError, match="no fault is armed in prod"):
        ServiceSettings(environment="prod", failpoints="a=kill")
    assert ServiceSettings(environment="prod").failpoints is None
