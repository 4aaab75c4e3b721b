"""A lock against advisories: which locked version is known to be vulnerable."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from pydantic import AfterValidator, BaseModel, ConfigDict

from workbook_lib.lab.audit.finding import AuditError, Finding

__all__ = ["scan_dependencies"]

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def _range(text: str) -> str:
    SpecifierSet(text)
    return text


class Advisory(BaseModel):
    """One published weakness; `affected` are PEP 440 ranges, any of which suffices."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    package: NormalizedName
    affected: tuple[Annotated[str, AfterValidator(_range)], ...]
    summary: str


class Advisories(BaseModel):
    """A list of advisories, and the day on which it was last compared with what was published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checked: date
    advisories: tuple[Advisory, ...]


def scan_dependencies(lock: str, advisories: Path) -> list[Finding]:
    """Locked versions (the text of a requirements file) that an advisory of the JSON file names.

    A list in a file knows nothing that was published after its day; `uv audit` asks a service. Raises
    `AuditError` when the lock pins nothing.
    """
    pins = {canonicalize_name(name): version for name, version in _PIN.findall(lock)}
    if not pins:
        raise AuditError("the lock pins nothing: a line is like name==1.2.3")
    known = Advisories.model_validate_json(advisories.read_text(encoding="utf-8"))
    return sorted(
        Finding(each.id, f"{each.package} {pins[each.package]}", each.summary)
        for each in known.advisories
        if each.package in pins and _affects(each, pins[each.package])
    )


def _affects(advisory: Advisory, version: str) -> bool:
    return any(SpecifierSet(each).contains(version, prereleases=True) for each in advisory.affected)
