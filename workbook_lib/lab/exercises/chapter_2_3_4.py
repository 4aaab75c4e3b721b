"""The exercise of 2.3.4: a workflow's step that shows what a stranger wrote."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from workbook_lib.lab import command
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes

__all__ = ["greeting"]

_TITLES: Final = (
    "Mend the docs",
    'x"; touch stolen; echo "',
    "y'; touch stolen; echo '",
    "$(touch stolen)",
    "`touch stolen`",
)
_EXPRESSION: Final = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")
_STEP_SECONDS: Final = 10.0


@exercise("2.3.4", "A greeting for strangers")
async def greeting(workflow: Path) -> Finding:
    """Runs the steps with hostile titles, as GitHub would, and looks at what they print and leave behind."""
    return await asyncio.to_thread(_judged, workflow)


def _judged(workflow: Path) -> Finding:
    parts = yaml.safe_load(workflow.read_text())
    ran = [title for title in _TITLES if _stole(parts, title)]
    if ran and "env." in workflow.read_text():
        return no(
            "The title goes into the environment, and an expression takes it out into the script again.",
            evidence=f"the title {ran[0]!r} has run as a command",
        )
    if ran and len(ran) < 3:
        return no(
            "Most titles are harmless now, and one isn't. Who decides which characters a title has?",
            evidence=f"the title {ran[0]!r} has run as a command",
        )
    if ran:
        return no(
            "A title has run as a command: GitHub writes an expression's value into the script before any "
            "shell reads it. How else can a value reach a program?",
            evidence=f"{len(ran)} of {len(_TITLES)} titles left a file named stolen",
        )
    silent = [title for title in _TITLES if title not in _run(parts, title)[0]]
    if silent:
        return no("Nothing is stolen, and nobody is greeted.", evidence=f"{silent[0]!r} isn't printed")
    asked = ["zizmor", "--offline", "--quiet", "--no-exit-codes", "--format", "json"]
    found = {each["ident"] for each in json.loads(command.run(*asked, workflow).text)}
    if weak := found & {"template-injection", "dangerous-triggers"}:
        return no("It greets, and a linter still finds a way in.", evidence=f"zizmor: {', '.join(weak)}")
    return yes(f"all {len(_TITLES)} titles were printed as they are, none has run, and zizmor is content")


def _stole(workflow: Mapping[str, Any], title: str) -> bool:
    return "stolen" in _run(workflow, title)[1]


def _run(workflow: Mapping[str, Any], title: str) -> tuple[str, set[str]]:
    """What the steps print, and the files that they leave. Expressions become text first, as on GitHub."""
    known = {"github.event.pull_request.title": title}
    printed = ""
    with tempfile.TemporaryDirectory() as folder:
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                env = dict[str, str]()
                for part in (workflow, job, step):
                    env |= {name: _filled(str(value), known) for name, value in part.get("env", {}).items()}
                script = _filled(step.get("run", ""), known | {f"env.{name}": env[name] for name in env})
                done = subprocess.run(
                    ["bash", "-e", "-c", script],
                    cwd=folder,
                    env={"PATH": os.environ["PATH"]} | env,
                    capture_output=True,
                    text=True,
                    timeout=_STEP_SECONDS,
                    check=False,
                )
                printed += done.stdout
        return printed, {path.name for path in Path(folder).iterdir()}


def _filled(text: str, known: Mapping[str, str]) -> str:
    return _EXPRESSION.sub(lambda found: known.get(found[1], ""), text)
