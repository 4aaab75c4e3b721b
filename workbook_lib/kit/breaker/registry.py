"""A service's breakers: one a callee, made when it is first called."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from workbook_lib.kit.breaker.breaker import Breaker, Listener
from workbook_lib.kit.breaker.callers import callers_own
from workbook_lib.kit.breaker.model import Snapshot
from workbook_lib.kit.breaker.settings import BreakerSettings
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock

__all__ = ["Breakers"]


class Breakers:
    """Breakers by name, with the settings `named` for it or else `settings`.

    A name stands for what fails together: a service, or one instance of it.
    """

    def __init__(
        self,
        settings: BreakerSettings | None = None,
        *,
        named: Mapping[str, BreakerSettings] | None = None,
        ignore: Callable[[Exception], bool] = callers_own,
        clock: Clock = SYSTEM_CLOCK,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._settings = settings or BreakerSettings()
        self._named = dict(named or {})
        self._ignore = ignore
        self._clock = clock
        self._listeners = tuple(listeners)
        self._breakers: dict[str, Breaker] = {}

    def of(self, name: str) -> Breaker:
        """The breaker of that name, always the same."""
        breaker = self._breakers.get(name)
        if breaker is None:
            settings = self._named.get(name, self._settings)
            breaker = Breaker(
                name, settings, ignore=self._ignore, clock=self._clock, listeners=self._listeners
            )
            self._breakers[name] = breaker
        return breaker

    def forget(self, name: str) -> None:
        """Drop the breaker of a callee that is gone for good; harmless when there is none."""
        self._breakers.pop(name, None)

    def snapshots(self) -> list[Snapshot]:
        """What each tells of itself, by name."""
        return [self._breakers[name].snapshot() for name in sorted(self._breakers)]

    def __iter__(self) -> Iterator[Breaker]:
        return iter(list(self._breakers.values()))
