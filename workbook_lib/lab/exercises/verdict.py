"""What is said of an answer: in colour for the reader, as JSON for whoever runs the chapter unattended."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from typing import Any, Final

__all__ = ["MIME_TYPE", "Verdict"]

MIME_TYPE: Final = "application/vnd.workbook.verdict+json"
"""In a cell's output, beside HTML and text: the verdict's fields."""

_BOX: Final = "border-left:4px solid {colour};padding:6px 12px;margin:4px 0"
_RIGHT, _NOT_YET = "#2f855a", "#b7791f"


@dataclass(frozen=True)
class Verdict:
    """Whether an answer passed, what was observed, and what to think about if it didn't."""

    section: str
    exercise: str
    title: str
    passed: bool
    evidence: str
    hint: str = ""

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        word = "Right" if self.passed else "Not yet"
        box = _BOX.format(colour=_RIGHT if self.passed else _NOT_YET)
        said = " ".join(escape(part) for part in (self.hint, self._observed) if part)
        html = f'<div style="{box}"><b>{word}.</b> {said}</div>'
        return {"text/html": html, "text/plain": repr(self), MIME_TYPE: asdict(self)}

    @property
    def _observed(self) -> str:
        return f"Observed: {self.evidence}." if self.evidence else ""

    def __repr__(self) -> str:
        word = "Right." if self.passed else "Not yet."
        return " ".join(part for part in (word, self.hint, self._observed) if part)
