"""What is wrong, as far as anybody has said: alerts, each from when it fires to when it is resolved."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel

__all__ = ["Alert", "Alerts", "Status"]

Status = Literal["firing", "resolved"]


class Alert(BaseModel):
    """One alert, from when it began to fire. `ended_at` is None while it fires."""

    fingerprint: str
    name: str
    status: Status
    labels: dict[str, str]
    summary: str
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    heard_at: AwareDatetime
    messages: int = 1


class Alerts:
    """The alerts that were heard of, at most `kept`; the oldest resolved ones are forgotten first.

    Alertmanager tells of an alert again and again (at least once, and at each repeat_interval). An alert is
    known by its labels' fingerprint and its start, so that hearing twice of one makes no second.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._alerts: dict[tuple[str, datetime], Alert] = {}

    def hear(self, alert: Alert) -> bool:
        """Take in what was said of an alert; True when that is news: a new alert, or another status."""
        key = alert.fingerprint, alert.started_at
        known = self._alerts.get(key)
        if known is None:
            self._alerts[key] = alert
            self._forget()
            return True
        if known.status == "resolved":  # a message that was overtaken by a later one
            alert = known
        self._alerts[key] = alert.model_copy(
            update={"messages": known.messages + 1, "heard_at": known.heard_at}
        )
        return alert.status != known.status

    def listed(self, status: Status | None = None) -> list[Alert]:
        """Those with this status, or all; those that were heard of last come first."""
        return [alert for alert in reversed(self._alerts.values()) if status in (None, alert.status)]

    def _forget(self) -> None:
        while len(self._alerts) > self._kept:
            del self._alerts[_first(self._alerts.items())]


def _first(alerts: Iterable[tuple[tuple[str, datetime], Alert]]) -> tuple[str, datetime]:
    """The key of the oldest resolved alert or, when all fire, of the oldest."""
    keys = [(alert.status == "firing", number, key) for number, (key, alert) in enumerate(alerts)]
    return min(keys)[2]
