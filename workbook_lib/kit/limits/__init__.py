"""Limits on how much a caller may ask for: in this process, or shared through Redis, with one interface."""

from workbook_lib.kit.limits.concurrency import Concurrency
from workbook_lib.kit.limits.fallback import WithFallback
from workbook_lib.kit.limits.model import Decision, Limiter, Quota
from workbook_lib.kit.limits.shared import SharedConcurrency, SharedSlidingWindow, SharedTokenBucket
from workbook_lib.kit.limits.sliding_window import SlidingWindow
from workbook_lib.kit.limits.token_bucket import TokenBucket

__all__ = [
    "Concurrency",
    "Decision",
    "Limiter",
    "Quota",
    "SharedConcurrency",
    "SharedSlidingWindow",
    "SharedTokenBucket",
    "SlidingWindow",
    "TokenBucket",
    "WithFallback",
]
