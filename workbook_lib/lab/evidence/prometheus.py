"""Ask a Prometheus: the values of an expression now, or over a range of time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import httpx2

from workbook_lib.lab.evidence.polling import EvidenceError

__all__ = ["Exemplar", "Prometheus", "Reading", "Series"]

TIMEOUT_SECONDS: Final = 5.0
POINTS: Final = 240


class Reading(NamedTuple):
    """One series of an instant query: its labels and its value; the metric's name is `__name__`."""

    labels: dict[str, str]
    value: float


@dataclass(frozen=True)
class Series:
    """One series of a range query: its labels, and its values by time."""

    labels: dict[str, str]
    points: tuple[tuple[datetime, float], ...]

    @property
    def values(self) -> list[float]:
        """The values alone, oldest first."""
        return [value for _, value in self.points]


class Exemplar(NamedTuple):
    """One observation that a series remembers: its value, when, its trace, and the labels of its series."""

    value: float
    time: datetime
    trace_id: str
    labels: dict[str, str]


class Prometheus:
    """The query API of a Prometheus. Every call ends within 5 s or raises EvidenceError."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    async def query(self, expression: str) -> list[Reading]:
        """The value of each series that a PromQL expression selects or computes, as of now."""
        data = await self._ask("/api/v1/query", {"query": expression})
        if data["resultType"] in ("scalar", "string"):
            return [Reading({}, float(data["result"][1]))]
        if data["resultType"] != "vector":
            raise EvidenceError(f"{expression} is a {data['resultType']}: ask for it with query_range")
        return [Reading(each["metric"], float(each["value"][1])) for each in data["result"]]

    async def value(self, expression: str) -> float:
        """The sum of what `query` finds; 0 when that is nothing."""
        return math.fsum(reading.value for reading in await self.query(expression))

    async def query_range(
        self, expression: str, *, seconds: float = 60.0, step_seconds: float | None = None
    ) -> list[Series]:
        """Each series over the last `seconds`, a value every `step_seconds` (by default 240 in all)."""
        now = datetime.now(UTC)
        step = max(seconds / POINTS, 0.1) if step_seconds is None else step_seconds
        data = await self._ask(
            "/api/v1/query_range",
            {
                "query": expression,
                "start": (now - timedelta(seconds=seconds)).isoformat(),
                "end": now.isoformat(),
                "step": f"{step:.3f}",
            },
        )
        return [Series(each["metric"], tuple(map(_point, each["values"]))) for each in data["result"]]

    async def exemplars(self, expression: str, *, seconds: float = 300.0) -> list[Exemplar]:
        """The exemplars of the last `seconds` of the series in `expression`, the largest value first."""
        now = datetime.now(UTC)
        found = await self._ask(
            "/api/v1/query_exemplars",
            {
                "query": expression,
                "start": (now - timedelta(seconds=seconds)).isoformat(),
                "end": (now + timedelta(seconds=1)).isoformat(),
            },
        )
        exemplars = [
            Exemplar(
                float(each["value"]),
                datetime.fromtimestamp(float(each["timestamp"]), UTC),
                each["labels"].get("trace_id", ""),
                series["seriesLabels"],
            )
            for series in found
            for each in series["exemplars"]
        ]
        return sorted(exemplars, key=lambda exemplar: exemplar.value, reverse=True)

    async def _ask(self, path: str, parameters: dict[str, str]) -> Any:  # noqa: ANN401 - by the kind of question
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
                answer = await client.post(self.url + path, data=parameters)
            body = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise EvidenceError(f"Prometheus at {self.url} does not answer: {error!r}") from error
        if body.get("status") != "success":
            raise EvidenceError(f"Prometheus refuses {parameters['query']!r}: {body.get('error')}")
        return body["data"]


def _point(raw: list[Any]) -> tuple[datetime, float]:
    seconds, value = raw
    return datetime.fromtimestamp(seconds, UTC), float(value)
