"""A reader's attempts are kept with what was seen; nobody else's are."""

import asyncio
import json
import os

import pytest
from jupyter_client.manager import AsyncKernelManager

from tests.structure.rules import ROOT
from workbook_lib.lab import progress
from workbook_lib.lab.progress import Attempt
from workbook_lib.lab.run_folder import RUN_ID

CHECK = """
from workbook_lib.lab.exercises import exercise, no, yes

@exercise("9.1", "Larger")
async def larger(number):
    return yes(f"it is {number}") if number > 1 else no("Think of two.", evidence=f"it is {number}")
"""


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBOOK_DATA", str(tmp_path))
    monkeypatch.delenv(RUN_ID, raising=False)
    return tmp_path


def _keep(data, *attempts):
    lines = [json.dumps(vars(attempt)) for attempt in attempts]
    (data / "progress.jsonl").write_text("\n".join(lines) + "\n")


def _attempt(section, *, passed, given=False, at="2026-11-26T08:00:00Z"):
    said = ("two instances", "") if passed else ("", "Count again.")
    return Attempt(at, section, "larger", passed, given, *said)


def _chapter(folder, name, section, *cells):
    described = {"workbook": {"chapter": section, "title": f"Title of {section}"}}
    markdown = [{"cell_type": "markdown", "source": source} for source in cells]
    (folder / f"{name}.ipynb").write_text(json.dumps({"cells": markdown, "metadata": described}))


async def _in_kernel(cells, **environment):
    """Run (code, tags) pairs as JupyterLab does, which sends a cell's metadata along; what went wrong."""
    manager = AsyncKernelManager()
    await manager.start_kernel(env={**os.environ, **environment}, cwd=str(ROOT))
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        replies = []
        for code, tags in cells:
            content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
            message = client.session.msg("execute_request", content, metadata={"tags": tags})
            client.shell_channel.send(message)
            reply = await client.get_shell_msg(timeout=60)
            while reply["parent_header"]["msg_id"] != message["header"]["msg_id"]:
                reply = await client.get_shell_msg(timeout=60)  # of an earlier question for its readiness
            replies.append(reply["content"]["status"])
        return replies
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


@pytest.mark.timeout(180)
async def test_a_persons_attempts_in_a_kernel_are_kept_and_the_chapters_own_are_told_apart():
    cells = [
        (CHECK, []),
        ("await larger.check(1)", ["exercise"]),
        ("await larger.check(0)", ["wrong-answer"]),
        ("await larger.check(3)", ["solution"]),
        ("await larger.check(2)", ["exercise"]),
    ]
    assert await _in_kernel(cells, **{RUN_ID: "a/b"}) == ["ok"] * 5
    assert progress.attempts() == []
    assert await _in_kernel(cells) == ["ok"] * 5
    kept = [(each.section, each.passed, each.given, each.evidence, each.hint) for each in progress.attempts()]
    assert kept == [
        ("9.1", False, False, "it is 1", "Think of two."),
        ("9.1", True, True, "it is 3", ""),
        ("9.1", True, False, "it is 2", ""),
    ]


async def test_a_script_keeps_nothing():
    namespace = {}
    exec(compile(CHECK, "script", "exec"), namespace)
    assert (await namespace["larger"].check(2)).passed
    await asyncio.to_thread(progress.record, await namespace["larger"].check(2))
    assert progress.attempts() == []


def test_a_line_that_was_cut_off_is_left_out(data):
    assert progress.attempts() == []
    whole = _attempt("1", passed=True)
    _keep(data, whole)
    with (data / "progress.jsonl").open("a") as file:
        file.write('{"at": "2026')
    assert progress.attempts() == [whole]


def test_a_chapter_is_done_by_an_own_answer_and_rests_on_the_first(data, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    _chapter(folder, "00_start_here", "0")
    _chapter(folder, "01_first", "1", "# First", "## Exercise · Larger\n\nMake it larger.")
    for number, section in enumerate(("2.1", "2.2", "2.3"), start=1):
        _chapter(folder, f"02_{number}_more", section, "# More")
    _keep(
        data,
        _attempt("1", passed=False),
        _attempt("1", passed=True, given=True),
        _attempt("1", passed=True, at="2026-11-26T09:00:00Z"),
        _attempt("1", passed=True, at="2026-11-26T10:00:00Z"),
        _attempt("2.1", passed=False),
        _attempt("2.1", passed=True, given=True),
        _attempt("2.2", passed=False),
    )
    first, *others = progress.overview(folder)
    assert (first.state, first.exercise, first.tries, first.file) == ("done", "Larger", 3, "01_first.ipynb")
    assert first.attempt.at == "2026-11-26T09:00:00Z"
    assert [each.state for each in others] == ["solution seen", "tried", "open"]
    assert [each.exercise for each in others] == [None] * 3


def test_the_projects_own_chapters_are_all_there():
    files = {path.name for path in ROOT.glob("notebooks/[0-9]*.ipynb")}
    assert {chapter.file for chapter in progress.overview()} == files - {"00_start_here.ipynb"}
    assert {chapter.state for chapter in progress.overview()} == {"open"}
