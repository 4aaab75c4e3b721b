"""The files around the code: one way to run everything, and nothing of one machine in any of them."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.structure import rules

WORKFLOWS = rules.files(".github/workflows/*.yml")
TEXT = [path for path in rules.files() if path.suffix not in (".png", ".ico", ".gz", ".whl", ".jar")]


def _make_targets() -> dict[str, str]:
    printed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=rules.ROOT, capture_output=True, text=True, check=True
    ).stdout
    return dict(re.findall(r"^  make (\w+) +(.+)$", printed, re.MULTILINE))


def test_make_help_tells_every_target():
    phony = re.search(r"^\.PHONY: (.+)$", (rules.ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == set(_make_targets())


def test_the_readme_names_every_make_target():
    readme = (rules.ROOT / "README.md").read_text()
    assert [target for target in _make_targets() if f"make {target}" not in readme] == []


def test_ci_runs_the_test_command_of_the_readme():
    script = rules.ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "exec make test" in script.read_text().splitlines()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_only_what_a_person_can_run_too(path):
    jobs = yaml.safe_load(path.read_text())["jobs"]
    commands = [step["run"].strip() for job in jobs.values() for step in job["steps"] if "run" in step]
    assert commands, "it runs something"
    assert set(commands) <= {".ci/run", "make run"}
    assert all("timeout-minutes" in job for job in jobs.values())


def test_no_file_names_a_package_index_or_a_path_of_this_machine():
    own = [str(rules.ROOT), str(Path.home())]
    own = [path for path in own if len(path) > 1]
    found = [
        finding
        for path in TEXT
        for finding in rules.foreign_addresses(rules.name_of(path), path.read_text(errors="replace"), own)
    ]
    assert found == []
