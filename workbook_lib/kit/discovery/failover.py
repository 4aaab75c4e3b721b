"""A call that fails at one instance goes to another."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, TypeVar

from workbook_lib.kit.backoff import Backoff
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.consul import Instance
from workbook_lib.kit.discovery.budget import RetryBudget
from workbook_lib.kit.discovery.instances import Instances, NoInstances
from workbook_lib.kit.errors import DeadlineExceeded, ServiceError
from workbook_lib.kit.logs import get_logger

if TYPE_CHECKING:
    from workbook_lib.kit.breaker import Breakers

__all__ = ["Failover", "Observe"]

T = TypeVar("T")

Observe = Callable[[Instance, float, Exception | None], None]
"""Is told of each attempt that was sent: to which instance, how many seconds it took, why it failed."""

FIRST_PAUSE_SECONDS: Final = 0.025
LONGEST_PAUSE_SECONDS: Final = 1.0
REST_SECONDS: Final = 1.0

_log = get_logger(__name__)


class Failover:
    """Calls the instance that the balancer gives, and another one when that fails.

    At most `retries` times a call, as far as `budget` allows (by default a `RetryBudget` of its own). No
    instance is tried twice while another is there; when all were tried, it starts over after a pause. One
    that failed is left alone for a second while others are there (as Finagle's "fail fast" does): until
    Consul notices, a dead one of three would cost every third call a retry, and no budget lasts for that.

    With `breakers` each instance has one, named `<service>@<instance id>`: an instance whose breaker rejects
    the call is passed over, which costs no retry, since nothing was sent.

    `observe` is told how each attempt went, also of those that a retry hides from the caller.
    """

    def __init__(
        self,
        instances: Instances,
        *,
        retries: int = 0,
        budget: RetryBudget | None = None,
        breakers: "Breakers | None" = None,
        observe: Observe | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if retries < 0:
            raise ValueError("retries may not be negative")
        self.retried = 0
        """How many calls were sent once more, so far."""
        self._instances = instances
        self._retries = retries
        self._budget = budget or RetryBudget(clock=clock)
        self._breakers = breakers
        self._observe = observe
        self._clock = clock
        self._resting: dict[str, float] = {}  # by instance id, until when

    @contextmanager
    def lease(self, *, excluding: AbstractSet[str] = frozenset()) -> Iterator[Instance]:
        """The balancer's instance for one call, one that has failed lately only where there is no other."""
        with ExitStack() as stack:
            try:
                instance = stack.enter_context(self._instances.lease(excluding=excluding | self._at_rest()))
            except NoInstances:
                instance = stack.enter_context(self._instances.lease(excluding=excluding))
            yield instance

    async def call(
        self,
        attempt: Callable[[Instance], Awaitable[T]],
        repeatable: Callable[[ServiceError], bool],
        *,
        first: Instance | None = None,
        deadline: float | None = None,
    ) -> T:
        """What `attempt` returns for one of the instances; `first` is tried before the balancer is asked.

        Raises the last error: when `repeatable` says that it can't be helped by another instance, when the
        retries or the budget are used up, after `deadline` (monotonic seconds), and when all breakers reject.
        """
        self._budget.deposit()
        tried: set[str] = set()
        left, pauses = self._retries, Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while True:
            with nullcontext(first) if first else self.lease(excluding=tried) as instance:
                first = None
                try:
                    return await self._through_breaker(instance, self._observed(attempt))
                except ServiceError as failure:
                    error = failure
            tried.add(instance.id)
            everyone = all(each.id in tried for each in self._instances.instances)
            if self._rejected(error):
                if everyone:
                    raise error
                continue
            late = deadline is not None and self._clock.monotonic() >= deadline
            if late or left == 0 or not repeatable(error) or not self._budget.withdraw():
                raise error
            left -= 1
            self.retried += 1
            self._resting[instance.id] = self._clock.monotonic() + REST_SECONDS
            _log.debug("tried again", failed=instance.id, cause=error.message, elsewhere=not everyone)
            if everyone:
                tried.clear()
                await self._clock.sleep(pauses.next())

    def _at_rest(self) -> set[str]:
        """The ids of those that have failed lately, and of those whose breakers would reject a call."""
        if self._resting:
            now = self._clock.monotonic()
            self._resting = {name: until for name, until in self._resting.items() if until > now}
        if self._breakers is None:
            return set(self._resting)
        rejecting = {
            each.id for each in self._instances.instances if not self._breakers.of(_breaker_of(each)).admits
        }
        return rejecting | self._resting.keys()

    async def _through_breaker(self, instance: Instance, attempt: Callable[[Instance], Awaitable[T]]) -> T:
        if self._breakers is None:
            return await attempt(instance)
        result: T = await self._breakers.of(_breaker_of(instance)).call(attempt, instance)
        return result

    def _observed(self, attempt: Callable[[Instance], Awaitable[T]]) -> Callable[[Instance], Awaitable[T]]:
        """The attempt, inside the breaker: what that refuses isn't sent and isn't told."""
        observe, clock = self._observe, self._clock
        if observe is None:
            return attempt

        async def watched(instance: Instance) -> T:
            began = clock.monotonic()
            try:
                result = await attempt(instance)
            except Exception as error:
                observe(instance, clock.monotonic() - began, error)
                raise
            except asyncio.CancelledError:  # by the deadline of the call, as a rule
                given_up = DeadlineExceeded("given up before there was an answer")
                observe(instance, clock.monotonic() - began, given_up)
                raise
            observe(instance, clock.monotonic() - began, None)
            return result

        return watched

    def _rejected(self, error: ServiceError) -> bool:
        """Whether a breaker of ours refused, so that nothing was sent."""
        if self._breakers is None:
            return False
        from workbook_lib.kit.breaker import BreakerFull, BreakerOpen

        return isinstance(error, BreakerOpen | BreakerFull)


def _breaker_of(instance: Instance) -> str:
    return f"{instance.service}@{instance.id}"
