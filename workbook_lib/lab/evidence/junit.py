"""What a test run reports: JUnit's XML, as pytest and schemathesis write it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from workbook_lib.lab.evidence.polling import EvidenceError

__all__ = ["CaseResult", "junit"]

Outcome = Literal["passed", "failed", "error", "skipped"]
_OUTCOMES: dict[str, Outcome] = {"failure": "failed", "error": "error", "skipped": "skipped"}


@dataclass(frozen=True)
class CaseResult:
    """One test case."""

    name: str
    """`module::test`, or what the tool calls it."""
    outcome: Outcome
    seconds: float
    message: str
    """Why it failed or was skipped; empty when it passed."""


def junit(path: Path) -> list[CaseResult]:
    """The cases of a report, in order. Raises `EvidenceError` when it is no report, or tells of no case."""
    try:
        root = ElementTree.parse(path).getroot()  # noqa: S314 # nosec B314 - our own run wrote it
    except (OSError, ElementTree.ParseError) as error:
        raise EvidenceError(f"{path} isn't a JUnit report: {error}") from error
    cases = [_result(case) for case in root.iter("testcase")]
    if not cases:
        raise EvidenceError(f"{path} tells of no test")
    return cases


def _result(case: ElementTree.Element) -> CaseResult:
    told = [each for each in case if each.tag in _OUTCOMES]
    module = case.get("classname", "").rpartition(".")[2]
    return CaseResult(
        name="::".join(filter(None, [module, case.get("name", "")])),
        outcome=_OUTCOMES[told[0].tag] if told else "passed",
        seconds=float(case.get("time", 0)),
        message="\n".join((each.text or each.get("message") or "").strip() for each in told),
    )
