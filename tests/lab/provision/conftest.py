"""A cache of its own and an environment without servers, for each test."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from workbook_lib.lab.provision.catalogue import CATALOGUE

Script = Callable[[str, str], Path]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and an environment that names no server and has no program on PATH."""
    for entry in CATALOGUE.values():
        for variable in (*entry.endpoint_variables, entry.variable):
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("WORKBOOK_CACHE", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "cache"


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Puts an executable shell script on the PATH that `cache` sets."""

    def write(name: str, body: str) -> Path:
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write


@pytest.fixture
def lines() -> list[str]:
    """What was reported; pass `lines.append` as `report`."""
    return []


@pytest.fixture(scope="session")
def system_path() -> str:
    """The PATH that the tests themselves run with."""
    return os.environ["PATH"]
