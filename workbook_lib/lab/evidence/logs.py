"""What services have logged: read from a process's own log, or asked of the log store.

The store is asked in LogsQL (https://docs.victoriametrics.com/victorialogs/logsql/).
"""

from __future__ import annotations

import json
from typing import Any, Final

import httpx2

from workbook_lib.lab.evidence.polling import EvidenceError
from workbook_lib.lab.handle import Handle

__all__ = ["log_records", "logs"]

TIMEOUT_SECONDS: Final = 5.0


def log_records(process: Handle) -> list[dict[str, Any]]:
    """The JSON lines that a process of the lab has logged so far, oldest first; other lines are passed over.

    The process may be writing at this moment: a line counts once it is whole. A line is written after the
    answer it tells of, so ask with `eventually` for one that must be there.
    """
    whole, _, _ = process.log_path.read_bytes().rpartition(b"\n")
    lines = whole.decode("utf-8", "replace").split("\n")
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


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
