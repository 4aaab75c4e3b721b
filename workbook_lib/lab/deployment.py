"""The configuration files of `deploy/`, which the lab fills in for what runs on this machine."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from pathlib import Path

from workbook_lib.lab.errors import LabError

__all__ = ["deploy_file", "fill_in"]

_FOLDER = Path(__file__).parents[2] / "deploy"


class _Template(string.Template):
    """Placeholders in braces only: `${name}`."""

    idpattern = "(?!)"
    braceidpattern = "[a-z_]+"


class _NginxTemplate(_Template):
    """`%{name}`, since nginx has variables of its own, written $name and ${name}."""

    delimiter = "%"


def deploy_file(name: str) -> Path:
    """A file of `deploy/`, such as "nginx/gateway.conf". Raises `LabError` for one that isn't there."""
    path = _FOLDER / name
    if not path.is_file():
        known = ", ".join(sorted(each.name for each in path.parent.glob("*"))) or "nothing"
        raise LabError(f"there is no {path}; its folder has {known}")
    return path


def fill_in(name: str, values: Mapping[str, str | int | Sequence[str]]) -> str:
    """A file of `deploy/` with its placeholders replaced by `values`.

    A line whose placeholder's value is a list appears once for each. Raises `LabError` for a placeholder
    without a value.
    """
    path = deploy_file(name)
    kind = _NginxTemplate if path.parent.name == "nginx" else _Template
    text = path.read_text()
    if missing := sorted(set(kind(text).get_identifiers()) - values.keys()):
        raise LabError(f"{path} needs a value for {', '.join(missing)}")
    return "".join(_lines(kind(line), values) for line in text.splitlines(keepends=True))


def _lines(line: string.Template, values: Mapping[str, str | int | Sequence[str]]) -> str:
    for name in line.get_identifiers():
        value = values[name]
        if not isinstance(value, str | int):
            return "".join(line.safe_substitute({**values, name: each}) for each in value)
    return line.safe_substitute(values)
