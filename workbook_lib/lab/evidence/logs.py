"""Ask the log store, in LogsQL (https://docs.victoriametrics.com/victorialogs/logsql/)."""

from __future__ import annotations

import json
from typing import Final

import httpx2

from workbook_lib.lab.evidence.polling import EvidenceError

__all__ = ["logs"]

TIMEOUT_SECONDS: Final = 5.0


async def logs(
    url: str, query: str, *, limit: int = 1000, timeout_seconds: float = TIMEOUT_SECONDS
) -> list[dict[str, str]]:
    """What the store at `url` has for a query, oldest first, at most the latest `limit`; all values are text.

    A query is words and fields (`trace_id:="…"`, `service:="order-service" level:error`), then perhaps pipes
    (`* | stats by (level) count() as lines`). A line that was shipped twice is there twice, with the same
    `record`. What was just shipped may be counted a moment before it is found, so ask with `eventually`.
    Raises EvidenceError when the store doesn't answer in time or doesn't understand.
    """
    try:
        async with httpx2.AsyncClient(timeout=timeout_seconds, trust_env=False) as client:
            answer = await client.post(
                f"{url.rstrip('/')}/select/logsql/query", data={"query": query, "limit": str(limit)}
            )
    except httpx2.HTTPError as error:
        raise EvidenceError(f"the log store at {url} does not answer: {error!r}") from error
    if answer.is_error:
        raise EvidenceError(f"the log store answers {answer.status_code}: {answer.text.strip()[:500]}")
    found: list[dict[str, str]] = [json.loads(line) for line in answer.text.splitlines()]
    return sorted(found, key=lambda record: record.get("_time", ""))
