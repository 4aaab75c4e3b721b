"""The breaker against the reference model: every short history, and long ones at random."""

import asyncio
import itertools
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.kit.breaker.reference import ReferenceBreaker
from workbook_lib.kit.breaker import Breaker, BreakerFull, BreakerOpen, BreakerSettings
from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.errors import DeadlineExceeded, NotFound

# As small as the rules allow, so that few steps lead everywhere: two calls decide, and one error opens.
SMALL = BreakerSettings(
    timeout_seconds=None,
    max_concurrent=2,
    request_volume_threshold=2,
    sleep_window_seconds=1,
    error_threshold_percent=50,
    window_seconds=2,
    window_buckets=2,
)
ENDS = {
    "success": None,
    "failure": RuntimeError("the callee's"),
    "ignored": NotFound("the caller's own"),
    "cancelled": asyncio.CancelledError(),
}


class SteppedClock(ManualClock):
    """Time that is moved without an event loop."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class Pair:
    """A breaker and the model of it, which live through the same."""

    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.breaker = Breaker("b", SMALL, clock=self.clock)
        self.model = ReferenceBreaker(SMALL)
        self.guards = {}
        self.numbers = itertools.count()

    def step(self, step: str) -> None:
        if step == "begin":
            self.begin()
        elif step == "tick":
            self.clock.seconds += 1
        elif self.guards:
            which, outcome = step.split()
            self.end(min(self.guards) if which == "oldest" else max(self.guards), outcome)

    def begin(self) -> None:
        call, guard = next(self.numbers), self.breaker.guard()
        try:
            guard.__enter__()
            answer = "through"
            self.guards[call] = guard
        except BreakerOpen:
            answer = "short_circuited"
        except BreakerFull:
            answer = "rejected"
        assert answer == self.model.arrive(call, self.clock.seconds)

    def end(self, call: int, outcome: str) -> None:
        error = ENDS[outcome]
        self.guards.pop(call).__exit__(type(error) if error else None, error, None)
        self.model.depart(call, outcome, self.clock.seconds)

    def agree(self) -> bool:
        return agree(self.breaker, self.model, self.clock.seconds)


def agree(breaker: Breaker, model: ReferenceBreaker, now: float) -> bool:
    told = breaker.snapshot()
    seen = (told.state, told.in_flight, told.window.calls, told.window.errors)
    path = ["closed", *(change.after for change in breaker.history)]
    totals = {outcome: count for outcome, count in told.totals.model_dump().items() if count}
    expected = (model.state, len(model.under_way), *model.window(now))
    return (seen, path, totals) == (expected, model.path, dict(model.totals))


STEPS = (
    "begin",
    "tick",
    *(f"oldest {outcome}" for outcome in ENDS),
    "newest failure",
)


@pytest.mark.parametrize(
    "before",
    [
        "",
        "begin, oldest failure",
        "begin, begin",
        "begin, begin, oldest failure, newest failure",
        "begin, begin, oldest failure, oldest failure, tick, tick",
        "begin, begin, oldest failure, oldest failure, tick, tick, begin",
        "begin, oldest failure, begin, begin, oldest failure, tick, tick, begin",
    ],
    ids=["new", "one error", "full", "open", "sleep over", "half-open", "half-open with a late call"],
)
def test_every_history_of_four_steps_goes_as_the_rules_say(before):
    """After each way to begin with: 7 steps, 2,401 histories, compared after their last step."""
    start = [step for step in before.split(", ") if step]
    for history in itertools.product(STEPS, repeat=4):
        assert _same(start, history), (start, history)


def _same(start: Iterable[str], history: Iterable[str]) -> bool:
    pair = Pair()
    for step in (*start, *history):
        pair.step(step)
    return pair.agree()


class Lives(RuleBasedStateMachine):
    """Real calls in tasks, with timeouts, on a clock that the machine moves."""

    settings = BreakerSettings(
        timeout_seconds=1,
        max_concurrent=3,
        request_volume_threshold=4,
        sleep_window_seconds=2,
        error_threshold_percent=50,
        window_seconds=5,
        window_buckets=5,
    )

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.breaker = Breaker("b", self.settings, clock=self.clock)
        self.model = ReferenceBreaker(self.settings)
        self.numbers = itertools.count()
        self.calls: dict[int, tuple[asyncio.Task[None], asyncio.Future[None], float]] = {}

    def teardown(self) -> None:
        self.runner.close()

    @rule()
    def begin(self) -> None:
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        answered = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self.breaker.call(lambda: answered))
        await asyncio.sleep(0)
        call, now = next(self.numbers), self.clock.monotonic()
        expected = self.model.arrive(call, now)
        if expected == "through":
            assert not task.done()
            self.calls[call] = task, answered, now + 1
        else:
            refused = {"short_circuited": BreakerOpen, "rejected": BreakerFull}[expected]
            with pytest.raises(refused):
                await task

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), outcome=st.sampled_from(sorted(ENDS)))
    def end(self, data: st.DataObject, outcome: str) -> None:
        self.runner.run(self._end(data.draw(st.sampled_from(sorted(self.calls))), outcome))

    async def _end(self, call: int, outcome: str) -> None:
        task, answered, _ = self.calls.pop(call)
        if outcome == "success":
            answered.set_result(None)
        elif outcome == "cancelled":
            task.cancel()
        else:
            answered.set_exception(ENDS[outcome])
        (raised,) = await asyncio.gather(task, return_exceptions=True)
        assert type(raised) is type(ENDS[outcome])
        self.model.depart(call, outcome, self.clock.monotonic())

    @rule(quarters=st.sampled_from([1, 3, 4, 9]))
    def wait(self, quarters: int) -> None:
        self.runner.run(self._wait(quarters / 4))

    async def _wait(self, seconds: float) -> None:
        until = self.clock.monotonic() + seconds
        for call, (task, _, due) in list(self.calls.items()):
            if due <= until:
                await self.clock.advance(due - self.clock.monotonic())
                with pytest.raises(DeadlineExceeded):
                    await task
                del self.calls[call]
                self.model.depart(call, "timeout", due)
        await self.clock.advance(until - self.clock.monotonic())

    @invariant()
    def goes_as_the_rules_say(self) -> None:
        assert agree(self.breaker, self.model, self.clock.monotonic())


Lives.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,  # a busy machine is no error
    derandomize=True,  # nor is a test that fails once in a while of use
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestLives = Lives.TestCase
