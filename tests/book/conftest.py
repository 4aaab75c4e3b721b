"""Small chapters made on the spot, and the `workbook` command run on them as a person would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]
Workbook = Callable[..., subprocess.CompletedProcess[str]]


def notebook(cells: Sequence[str], **metadata: object) -> str:
    """A notebook with a title, these code cells, and a chapter's metadata."""
    described = {
        "chapter": "1",
        "title": "A small chapter",
        "covers": ["1.1"],
        "servers": [],
        "services": [],
        "budget": {"seconds": 30, "mb": 500},
    }
    title = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# A small chapter"}
    code = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(cells, start=1)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps(
        {
            "cells": [title, *code],
            "metadata": {
                "kernelspec": kernel,
                "language_info": {"name": "python"},
                "workbook": described | metadata,
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a chapter into notebooks/ of a folder that stands for the project."""

    def write_chapter(name: str, *cells: str, **metadata: object) -> Path:
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(notebook(cells, **metadata))
        return path

    return write_chapter


@pytest.fixture
def workbook(tmp_path: Path) -> Workbook:
    """Runs the `workbook` command in that folder to its end."""

    def run(*arguments: str, timeout_seconds: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "workbook_lib.cli", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
            env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        )

    return run


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    """Looks at a condition until it holds, and returns its value; fails when it doesn't within a bound."""

    def wait(condition: Callable[[], object], timeout_seconds: float = 60) -> object:
        deadline = time.monotonic() + timeout_seconds
        pause = threading.Event()
        while not (value := condition()):
            assert time.monotonic() < deadline, f"not within {timeout_seconds} s"
            pause.wait(0.02)
        return value

    return wait
