"""Figures that a chapter shows without measuring them are whole, and of the benchmark's present form."""

import importlib
import json
import re
import socket
import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.figures import RESULTS, machine
from benchmarks.record import command_of, recorded
from tests.structure import rules
from workbook_lib.lab import Lab, LabError
from workbook_lib.lab.recorded import figures

SHOWN = re.compile(r'recorded\.figures\(lab, "(\w+)"\)')


def shown_in_chapters() -> set[str]:
    """The benchmarks whose recorded figures some chapter shows."""
    chapters = rules.files("notebooks/*.ipynb")
    return {
        name
        for path in chapters
        for cell in rules.code_cells(rules.read_notebook(path))
        for name in SHOWN.findall(cell)
    }


def test_what_is_recorded_is_what_chapters_show():
    assert set(recorded()) == shown_in_chapters()


@pytest.mark.parametrize("name", recorded())
def test_recorded_figures_have_the_columns_that_the_benchmark_measures_now(name):
    kept = figures(Lab("recorded"), name)
    benchmark = importlib.import_module(f"benchmarks.{name}")
    declared = getattr(benchmark, "TABLES", None) or {"rows": benchmark.Row}
    assert list(kept.tables) == list(declared)
    for table, row_type in declared.items():
        assert kept.tables[table], f"{table} is empty"
        columns = [field.name for field in fields(row_type)]
        assert all(list(row) == columns for row in kept.tables[table]), table


@pytest.mark.parametrize("name", recorded())
def test_recorded_figures_say_when_how_and_on_what_kind_of_machine_but_not_whose(name):
    kept = figures(Lab("recorded"), name)
    assert kept.measured <= datetime.now(UTC).date() + timedelta(days=1)
    assert re.match(rf"python -m benchmarks\.{name}( |$)", kept.command)
    assert re.match(r"\w+ \w+, \d+ cores, \d+ GiB, Python 3\.\d+\.\d+$", kept.machine)
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", (RESULTS / f"{name}.json").read_text())
    for part in (str(kept.measured), kept.machine, kept.command):
        assert part in kept.caption


def test_a_benchmark_records_what_it_prints_and_is_repeated_with_the_same_arguments(tmp_path):
    script = (
        "import runpy, sys, pathlib, benchmarks.figures as figures\n"
        f"figures.RESULTS = pathlib.Path({str(tmp_path)!r}) / 'benchmarks' / 'results'\n"
        "figures.RESULTS.mkdir(parents=True)\n"
        "sys.argv = ['breaker', '--rounds', '3', '--json', '--calls', '50', '--record']\n"
        "runpy.run_module('benchmarks.breaker', run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, timeout=100, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    kept = figures(Lab("recorded", root=tmp_path), "breaker")
    assert kept.rows == kept.where() == printed["rows"]
    assert kept.where(way=kept.rows[1]["way"]) == [kept.rows[1]]
    assert kept.command == "python -m benchmarks.breaker --rounds 3 --calls 50"
    assert kept.machine == machine()


def test_figures_that_nobody_recorded_are_told_with_the_command_that_records_them():
    with pytest.raises(LabError, match=r"run `python -m benchmarks.nothing --record`"):
        figures(Lab("recorded"), "nothing")
    assert command_of("nothing")[1:] == ["-m", "benchmarks.nothing", "--record"]
