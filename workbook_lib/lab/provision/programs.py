"""Programs that the user has: named by an environment variable, or on PATH."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from workbook_lib.lab.provision.cache import cache_dir
from workbook_lib.lab.provision.catalogue import Program, ways
from workbook_lib.lab.provision.model import ProvisionError

__all__ = [
    "Unusable",
    "ask_version",
    "check",
    "executable",
    "named_by_user",
    "on_path",
    "parse_version",
    "version_of",
]

_ASK_SECONDS = 5.0


class Unusable(RuntimeError):
    """A program exists but can't be used; the message says why in a few words."""


def named_by_user(entry: Program) -> Path | None:
    """The program that `WORKBOOK_<NAME>` names. Raises `ProvisionError` when it can't be used."""
    value = os.environ.get(entry.variable)
    if not value:
        return None
    path = Path(value).expanduser()
    try:
        check(entry, path)
    except Unusable as error:
        raise ProvisionError(
            f"{entry.variable}={value} can't be used: {error}. Correct it, unset it, or {ways(entry)}."
        ) from error
    return path


def on_path(entry: Program) -> Path | None:
    """The first usable program of that name on PATH; unusable and too old ones are passed over."""
    for name in entry.executables:
        located = shutil.which(name)
        if located is None:
            continue
        try:
            check(entry, Path(located))
        except Unusable:
            continue
        return Path(located)
    return None


def check(entry: Program, path: Path) -> str:
    """The program's version ("" when it doesn't tell or can't be asked). Raises `Unusable`."""
    program = executable(path)
    version = version_of(program, entry.version_arguments) if entry.version_arguments else ""
    if version and parse_version(version) < entry.minimum:
        needed = ".".join(str(part) for part in entry.minimum)
        raise Unusable(f"it is version {version}, and {entry.title} {needed} or newer is needed")
    return version


def executable(path: Path) -> Path:
    """The same path. Raises `Unusable` when there's no executable file there."""
    if not path.is_file():
        raise Unusable("there is no such file")
    if not os.access(path, os.X_OK):
        raise Unusable("the file isn't executable")
    return path


def version_of(path: Path, arguments: tuple[str, ...]) -> str:
    """Ask a program for its version, once per file: the answer is remembered by size and time of change.

    Raises `Unusable` when it fails or doesn't answer within 5 s.
    """
    resolved = path.resolve()
    status = resolved.stat()
    stamp = [status.st_size, status.st_mtime_ns]
    remembered = _remembered()
    known = remembered.get(str(resolved))
    if known is not None and known[:2] == stamp:
        return str(known[2])
    version = ask_version(path, arguments)
    _remember({**remembered, str(resolved): [*stamp, version]})
    return version


def parse_version(text: str) -> tuple[int, ...]:
    """`25.0.2.1` and `1.22.7-rc1` as numbers that compare: (25, 0, 2, 1) and (1, 22, 7)."""
    return tuple(int(part) for part in re.findall(r"\d+", text.split("-")[0].split("+")[0]))


def ask_version(path: Path, arguments: tuple[str, ...]) -> str:
    """The version that a program prints, "" when it prints none. Raises `Unusable`."""
    try:
        asked = subprocess.run(
            [str(path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_ASK_SECONDS,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
    except subprocess.TimeoutExpired:
        raise Unusable(
            f"`{path.name} {' '.join(arguments)}` gave no answer within {_ASK_SECONDS:.0f} s"
        ) from None
    except OSError as error:
        raise Unusable(f"it doesn't start ({error.strerror})") from error
    if asked.returncode != 0:
        last = asked.stdout.strip().splitlines()[-1:] or ["no output"]
        raise Unusable(f"`{path.name} {' '.join(arguments)}` exited with code {asked.returncode} ({last[0]})")
    found = re.search(r"(?<!\d:)\bv?=?(?:go)?(\d+(?:\.\d+)+)", asked.stdout)
    return found.group(1) if found else ""


def _remembered() -> dict[str, list[int | str]]:
    try:
        versions: dict[str, list[int | str]] = json.loads(_versions_file().read_bytes())
    except (OSError, ValueError):
        return {}
    return versions


def _remember(versions: dict[str, list[int | str]]) -> None:
    target = _versions_file()
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(versions, indent=1, sort_keys=True))
        partial.replace(target)
    except OSError:
        return  # only a memory: the next one asks again


def _versions_file() -> Path:
    return cache_dir() / "program-versions.json"
