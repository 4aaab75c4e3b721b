"""The exercise of 5.2: change two settings that belong together."""

from __future__ import annotations

from collections.abc import Sequence

import httpx2

from workbook_lib.kit.consul import Consul, KeyValue
from workbook_lib.lab import evidence
from workbook_lib.lab.errors import LabError
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["one_moment"]

_PREFIX = "live/dev/rates/"
_BEFORE = {f"{_PREFIX}loan.interest.rate": "3.85", f"{_PREFIX}loan.fee.rate": "0.385"}
_WANTED = {f"{_PREFIX}loan.interest.rate": "5.50", f"{_PREFIX}loan.fee.rate": "0.550"}


@exercise("5.2", "Two settings, one moment")
async def one_moment(lab: Lab) -> Finding:
    """Looks at the two entries in Consul and when they were changed, then at what the service serves."""
    async with Consul(lab["consul"].url) as consul:
        entries = [entry for entry in await consul.kv_list(_PREFIX) if entry.key in _WANTED]
        finding = await _judged(lab, entries)
        revision = await consul.kv_put_all(_BEFORE)  # so that the next attempt is judged by itself
        if not await _serves(lab, revision):
            raise LabError("the rates service doesn't follow Consul any more; its log says why")
    return finding


async def _judged(lab: Lab, entries: Sequence[KeyValue]) -> Finding:
    said = ", ".join(f"{entry.key.removeprefix(_PREFIX)} = {entry.text}" for entry in entries)
    if {entry.key: entry.text for entry in entries} == _BEFORE or len(entries) < len(_WANTED):
        return no(
            "The service follows the entries under live/dev/rates/, and these are as before.", evidence=said
        )
    indexes = {entry.modify_index for entry in entries}
    revision = max(indexes)
    if len(indexes) > 1:
        hint = "The entries were changed at two moments. What was a borrower told who asked in between?"
        return no(hint, evidence=f"changed at Consul's indexes {' and '.join(map(str, sorted(indexes)))}")
    if not await _serves(lab, revision):
        refused = [r for r in evidence.log_records(lab["rates"]) if r["event"] == "settings refused"]
        return no(
            "The service has refused the change and told why in its log.",
            evidence=str(refused[-1]["reasons"]),
        )
    if {entry.key: entry.text for entry in entries} != _WANTED:
        return no("Both were changed in one moment, but to other values than those asked for.", evidence=said)
    return yes(f"both entries were changed at index {revision}, and the service serves revision {revision}")


async def _serves(lab: Lab, revision: int) -> bool:
    """Whether the service takes a revision over, which is a matter of milliseconds, or refuses it."""
    async with httpx2.AsyncClient(base_url=lab["rates"].url, timeout=5, trust_env=False) as client:

        async def taken() -> bool | None:
            served = (await client.get("/current-rate")).json()["revision"]
            records = evidence.log_records(lab["rates"])
            is_refused = any(r["event"] == "settings refused" and r["revision"] == revision for r in records)
            return True if served == revision or is_refused else None

        await evidence.eventually(taken, interval_seconds=0.02)
        return bool((await client.get("/current-rate")).json()["revision"] == revision)
