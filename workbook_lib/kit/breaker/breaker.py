"""The circuit breaker: a call's time, its place among those under way, its outcome and its fallback."""

import contextlib
import functools
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from workbook_lib.kit.breaker.callers import callers_own
from workbook_lib.kit.breaker.circuit import Circuit
from workbook_lib.kit.breaker.errors import BreakerFull, BreakerOpen, FallbackFailed
from workbook_lib.kit.breaker.model import (
    FALLBACKS,
    OUTCOMES,
    STATES,
    Counts,
    Outcome,
    Snapshot,
    State,
    StateChange,
)
from workbook_lib.kit.breaker.settings import BreakerSettings
from workbook_lib.kit.breaker.under_way import TimedCall, UnderWay
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import DeadlineExceeded
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.reporting import report_unexpected

__all__ = ["Breaker", "Guard", "Listener"]

P = ParamSpec("P")
T = TypeVar("T")
Fallback = Callable[[Exception], T | Awaitable[T]]
Listener = Callable[[StateChange], None]

_HISTORY = 256

_log = get_logger(__name__)


class Breaker:
    """Guards the calls to one callee, after Hystrix: https://github.com/Netflix/Hystrix/wiki/Configuration.

    Closed, it lets calls through, each for `timeout_seconds`, so many at a time. When errors are too large a
    part of the last seconds' calls it opens, and refuses all until one probe after the sleep window succeeds.
    `ignore` tells the caller's own errors, which say nothing of the callee. `listeners` are told of each
    change of state as it happens. No lock: it belongs to one event loop, and decides between two awaits.
    """

    def __init__(
        self,
        name: str,
        settings: BreakerSettings | None = None,
        *,
        ignore: Callable[[Exception], bool] = callers_own,
        clock: Clock = SYSTEM_CLOCK,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self.name = name
        self.settings = settings or BreakerSettings()
        self.history: deque[StateChange] = deque(maxlen=_HISTORY)
        self._ignore = ignore
        self._clock = clock
        self._listeners = tuple(listeners)
        self._circuit = Circuit(self.settings, self._changed)
        self._totals = dict.fromkeys((*OUTCOMES, *FALLBACKS), 0)
        self._changes = dict.fromkeys(STATES, 0)
        # Looked up with each call.
        self._now = clock.monotonic
        self._max_concurrent = self.settings.max_concurrent
        self._under_way = UnderWay(self.settings.timeout_seconds, clock)

    @property
    def state(self) -> State:
        """closed, open or half-open."""
        return self._circuit.state

    @property
    def in_flight(self) -> int:
        """Calls under way."""
        return len(self._under_way.calls)

    @property
    def admits(self) -> bool:
        """Whether a call would be let through now."""
        return self.in_flight < self._max_concurrent and self._circuit.refuses(self._now()) is None

    async def call(
        self,
        function: Callable[..., Awaitable[T]],
        *args: Any,  # noqa: ANN401 - the function's own
        fallback: Fallback[T] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> T:
        """Await `function(*args, **kwargs)`, if the callee is to be asked at all.

        Raises what the function raises, BreakerOpen, BreakerFull, or DeadlineExceeded when its time is over.
        `fallback` is called with that error, once, and gives the answer in its place; FallbackFailed when it
        fails too. It isn't asked after an error of the caller's own, nor when the call is cancelled.
        """
        refusal = self._refusal()
        if refusal is not None:
            if fallback is None:
                raise refusal
            return await self._fall_back(fallback, refusal)
        guard = Guard(self)
        try:
            with guard:
                return await function(*args, **kwargs)
        except Exception as error:
            if fallback is None or guard.outcome == "ignored":
                raise
            return await self._fall_back(fallback, error)

    @contextlib.contextmanager
    def guard(self) -> Iterator["Guard"]:
        """`with breaker.guard():` around awaits is a call, without fallback; for what isn't one function."""
        refusal = self._refusal()
        if refusal is not None:
            raise refusal
        with Guard(self) as guard:
            yield guard

    def protects(
        self, fallback: Fallback[T] | None = None
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Coroutine[Any, Any, T]]]:
        """Decorate a coroutine function: each call of it goes through `call`."""

        def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
            @functools.wraps(function)
            async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
                return await self.call(functools.partial(function, *args, **kwargs), fallback=fallback)

            return guarded

        return decorate

    def snapshot(self) -> Snapshot:
        """State and counts now."""
        now = self._now()
        return Snapshot(
            name=self.name,
            state=self.state,
            in_flight=self.in_flight,
            retry_after_seconds=self._circuit.refuses(now) or 0.0,
            window=self._circuit.window.at(now),
            totals=Counts(**self._totals),
            changes=dict(self._changes),
        )

    async def _fall_back(self, fallback: Fallback[T], first: Exception) -> T:
        try:
            answer = fallback(first)
            if inspect.isawaitable(answer):
                answer = await answer
        except Exception as failure:
            self._totals["fallback_failure"] += 1
            failure.__context__ = failure.__context__ or first  # so that a traceback tells of both
            raise FallbackFailed(self.name, first, failure) from failure
        self._totals["fallback_success"] += 1
        return cast("T", answer)

    def _refusal(self) -> BreakerOpen | BreakerFull | None:
        """Why the call that comes now isn't let through; it is counted. None: it is."""
        circuit = self._circuit
        if circuit.state != "closed" and (rest_seconds := circuit.refuses(self._now())) is not None:
            self._totals["short_circuited"] += 1
            return BreakerOpen(self.name, rest_seconds)
        if len(self._under_way.calls) >= self._max_concurrent:
            self._totals["rejected"] += 1
            circuit.reject(self._now())
            return BreakerFull(self.name, self._max_concurrent)
        return None

    def _enter(self, guard: "Guard") -> int:
        """Give a call its place, and say of which generation it is."""
        self._under_way.begin(guard)
        return self._circuit.admit()

    def _leave(self, guard: "Guard", generation: int, error: BaseException | None) -> Outcome:
        """Take the place back and count how the call has ended."""
        self._under_way.end(guard)
        outcome = self._outcome(guard, error)
        self._totals[outcome] += 1
        self._circuit.settle(generation, outcome, self._now())
        return outcome

    def _outcome(self, guard: "Guard", error: BaseException | None) -> Outcome:
        if guard.expired and guard.ended(error):
            return "timeout"
        if error is None:
            return "success"
        if not isinstance(error, Exception):
            return "cancelled"  # or the process ends
        try:
            return "ignored" if self._ignore(error) else "failure"
        except Exception as broken:  # noqa: BLE001 - a wrong predicate must not keep the probe's place
            report_unexpected(broken, breaker=self.name)
            return "failure"

    def _changed(self, before: State, after: State, reason: str) -> None:
        change = StateChange(name=self.name, at=self._clock.now(), before=before, after=after, reason=reason)
        self._changes[after] += 1
        self.history.append(change)
        tell = _log.warning if after == "open" else _log.info
        tell("breaker changed", breaker=self.name, before=before, after=after, reason=reason)
        for listener in self._listeners:
            try:
                listener(change)
            except Exception as error:  # noqa: BLE001 - who looks on has no part in the call
                report_unexpected(error, breaker=self.name)


class Guard(TimedCall):
    """A call that nothing refuses: its place is taken on entry, and on exit given back, whatever happens."""

    outcome: Outcome | None = None
    """How the call has ended; None before."""

    _generation: int

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker

    def __enter__(self) -> "Guard":
        self._generation = self._breaker._enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.outcome = self._breaker._leave(self, self._generation, error)
        if self.outcome == "timeout":
            seconds = self._breaker.settings.timeout_seconds
            raise DeadlineExceeded(f"{self._breaker.name}: no answer in {seconds} s") from error
