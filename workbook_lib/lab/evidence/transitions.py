"""The ways that sagas took, read from their stored log: which state followed which, and how often."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workbook_lib.lab.evidence.database import rows

__all__ = ["Transition", "saga_transitions"]

_STEPS: Final = "SELECT id, step, event FROM saga_steps WHERE name = ? ORDER BY id, number"
_ENDS: Final = "SELECT id, state FROM sagas WHERE name = ? AND state IN ('COMPLETED', 'COMPENSATED')"


@dataclass(frozen=True, slots=True)
class Transition:
    """From one state to another, or to itself when a step was tried again; `event` is what led there.

    States are the step that runs ("charge"), or is undone ("undo charge"), and the saga's own at its end.
    """

    before: str
    event: str
    after: str
    count: int = 1

    @property
    def backward(self) -> bool:
        """Whether it is part of an undoing, or leads to one."""
        return self.after.startswith("undo ") or self.after in ("COMPENSATED", "PARKED")


async def saga_transitions(database: Path, saga: str, *, of: Iterable[str] | None = None) -> list[Transition]:
    """What the sagas called `saga` went through, in a service's database; `of` picks some by their ids.

    Raises EvidenceError when the database can't be read.
    """
    steps = await rows(database, _STEPS, [saga])
    ends = {row["id"]: row["state"] for row in await rows(database, _ENDS, [saga])}
    wanted = None if of is None else set(of)
    seen: Counter[tuple[str, str, str]] = Counter()
    for id_, history in itertools.groupby(steps, key=lambda row: row["id"]):
        if wanted is None or id_ in wanted:
            seen.update(_walk(history, ends.get(id_)))
    return [Transition(*way, count) for way, count in seen.items()]


def _walk(history: Iterable[dict[str, Any]], end: str | None) -> Iterator[tuple[str, str, str]]:
    """An event that isn't followed by another state has been a try in vain, unless it was the last."""
    now, cause, left = "begun", "", ""
    for row in history:
        step, event = row["step"], row["event"]
        after = {
            "started": step,
            "compensating": f"undo {step}",
            "parked": "PARKED",
            "unparked": left,
        }.get(event)
        if after is not None:
            yield now, event if event == "unparked" else cause, after
            now, cause, left = after, "", now
        else:
            if cause:
                yield now, cause, now
            cause = event
    if end is not None:
        yield now, cause, end
