"""The exercise of 2.3.7: keep Alertmanager quiet about one thing, for as long as it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2

from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["maintenance"]

_PLANNED: Final = {"alertname": "InstanceDown", "service": "product-service"}
_OTHERS: Final = (
    {"alertname": "InstanceDown", "service": "gateway"},
    {"alertname": "HighErrorRatio", "service": "product-service"},
    {"alertname": "HighErrorRatio", "service": "gateway"},
)
_LONGEST: Final = timedelta(minutes=30)


@exercise("2.3.7", "Ten minutes of maintenance")
async def maintenance(lab: Lab) -> Finding:
    """Asks Alertmanager for its silences, and which alerts of the rules each of them would mute."""
    base = f"{lab['alertmanager'].url}/api/v2"
    async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
        silences = [
            silence
            for silence in (await client.get(f"{base}/silences")).raise_for_status().json()
            if silence["status"]["state"] in {"active", "pending"}
        ]
        for silence in silences:  # so that the next attempt is judged by itself
            (await client.delete(f"{base}/silence/{silence['id']}")).raise_for_status()
    return _judged(silences)


def _judged(silences: Sequence[Mapping[str, Any]]) -> Finding:
    if not silences:
        return no(
            "Alertmanager has no silence that is in force. It takes one with at least one matcher.",
            evidence="0 silences",
        )
    seen = "; ".join(", ".join(map(_in_words, silence["matchers"])) for silence in silences)
    muted = [" of ".join(alert.values()) for alert in _OTHERS if _mutes(silences, alert)]
    if not _mutes(silences, _PLANNED):
        return no("InstanceDown of the products would still call somebody.", evidence=seen)
    if muted:
        return no(
            "It mutes more than what was planned. Who hears of a real fault in those ten minutes?",
            evidence=f"{seen} mutes {', '.join(muted)} too",
        )
    ends = max(datetime.fromisoformat(silence["endsAt"]) for silence in silences)
    left = ends - datetime.now(UTC)
    if left > _LONGEST:
        return no(
            "It lasts far longer than the work. Who will remember to end it?",
            evidence=f"{seen}, for {left.total_seconds() / 3600:,.0f} hours",
        )
    return yes(f"{seen}, for {left.total_seconds() / 60:.0f} minutes")


def _mutes(silences: Sequence[Mapping[str, Any]], alert: Mapping[str, str]) -> bool:
    return any(all(_matches(m, alert) for m in silence["matchers"]) for silence in silences)


def _matches(matcher: Mapping[str, Any], alert: Mapping[str, str]) -> bool:
    """As Alertmanager does: expressions are anchored; all alerts of the rules have the severity `page`."""
    value = {"severity": "page", **alert}.get(matcher["name"], "")
    pattern = matcher["value"] if matcher["isRegex"] else re.escape(matcher["value"])
    return bool(re.fullmatch(pattern, value)) is matcher.get("isEqual", True)


def _in_words(matcher: Mapping[str, Any]) -> str:
    return f"{matcher['name']}{'=~' if matcher['isRegex'] else '='}{matcher['value']}"
