"""Why a breaker answered in its callee's place.

Unavailable (503)
├── BreakerOpen       the callee has failed lately and isn't asked
├── BreakerFull       as many calls are under way to it as may be
└── FallbackFailed    the call failed, and so did what stood in for it
"""

from collections.abc import Mapping

from workbook_lib.kit.errors import Unavailable

__all__ = ["BreakerFull", "BreakerOpen", "FallbackFailed"]


class BreakerOpen(Unavailable):
    """The callee has failed too often lately: it isn't asked before `retry_after_seconds` are over."""

    def __init__(self, name: str, retry_after_seconds: float) -> None:
        super().__init__(f"the breaker of {name} is open")
        self.retry_after_seconds = retry_after_seconds

    @property  # made when an answer needs it: an open breaker is asked thousands of times a second
    def headers(self) -> Mapping[str, str]:  # type: ignore[override]
        """Retry-After, in whole seconds (RFC 9110, 10.2.3), so many that the sleep window will be over."""
        return {"Retry-After": str(int(self.retry_after_seconds) + 1)}


class BreakerFull(Unavailable):
    """As many calls to the callee are under way as may be; there is no queue."""

    def __init__(self, name: str, max_concurrent: int) -> None:
        super().__init__(f"{max_concurrent} calls to {name} are under way", headers={"Retry-After": "1"})


class FallbackFailed(Unavailable):
    """A call failed and so did its fallback: `first` is why it ran, `failure` why it didn't help."""

    def __init__(self, name: str, first: Exception, failure: Exception) -> None:
        super().__init__(f"{name}: {first!r}; then its fallback: {failure!r}")
        self.first = first
        self.failure = failure
