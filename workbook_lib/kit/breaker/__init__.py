"""Circuit breakers: a callee that fails or hangs is left alone for a while, and takes no caller down with it.

breaker = Breaker("users", BreakerSettings(timeout_seconds=0.5))
user = await breaker.call(client.get, "/users/7", fallback=lambda error: UNKNOWN_USER)
"""

from workbook_lib.kit.breaker.breaker import Breaker
from workbook_lib.kit.breaker.callers import callers_own
from workbook_lib.kit.breaker.errors import BreakerFull, BreakerOpen, FallbackFailed
from workbook_lib.kit.breaker.metrics import BreakerMetrics
from workbook_lib.kit.breaker.model import Counts, Outcome, Snapshot, State, StateChange, WindowCounts
from workbook_lib.kit.breaker.registry import Breakers
from workbook_lib.kit.breaker.settings import BreakerSettings

__all__ = [
    "Breaker",
    "BreakerFull",
    "BreakerMetrics",
    "BreakerOpen",
    "BreakerSettings",
    "Breakers",
    "Counts",
    "FallbackFailed",
    "Outcome",
    "Snapshot",
    "State",
    "StateChange",
    "WindowCounts",
    "callers_own",
]
