"""The workflows are valid, pass a security lint and run what a person runs. No linter needs a network."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.structure import rules

FOLDER = rules.ROOT / ".github"
WORKFLOWS = rules.files(".github/workflows/*.yml")
PROGRAMS = Path(sys.executable).parent

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A linter of this environment, to its end."""
    command = [str(PROGRAMS / program), *map(str, arguments)]
    return subprocess.run(command, cwd=rules.ROOT, capture_output=True, text=True, timeout=120, check=False)


def schema_errors(path: Path) -> str:
    """What is wrong by the schema of workflows; empty when nothing is."""
    done = run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def security_findings(folder: Path) -> str:
    """What zizmor finds in a folder that holds workflows and zizmor.yml; empty when nothing is."""
    done = run("zizmor", "--offline", "--pedantic", "--no-progress", folder)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def commands(path: Path) -> list[str]:
    """What the steps of a workflow run, in order."""
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    return [step["run"].strip() for job in jobs for step in job["steps"] if "run" in step]


@each_workflow
def test_a_workflow_is_valid(path):
    assert schema_errors(path) == ""


def test_the_workflows_pass_the_security_lint():
    assert security_findings(FOLDER) == ""


def test_ci_runs_what_dot_ci_run_runs_and_nothing_else():
    assert commands(FOLDER / "workflows" / "ci.yml") == [".ci/run"]
    script = (rules.ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in script if line.startswith("exec ")] == ["exec make test"]


def test_make_test_sets_up_and_passes_every_test():
    done = subprocess.run(
        ["make", "--no-print-directory", "-n", "-B", "test"],
        cwd=rules.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "pip install --quiet --no-deps --require-hashes -r requirements.lock" in done.stdout
    assert done.stdout.splitlines()[-1].split("python -m pytest")[1].split()[:2] == ["--numprocesses", "2"]


@each_workflow
def test_only_a_job_that_runs_nothing_of_ours_may_write(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    writing = [job for job in workflow["jobs"].values() if "write" in job.get("permissions", {}).values()]
    assert not any("run" in step for job in writing for step in job["steps"])


@pytest.fixture
def copy(tmp_path):
    """The workflows, to be spoilt."""
    (tmp_path / ".git").mkdir()
    shutil.copytree(FOLDER, tmp_path / ".github")
    return tmp_path / ".github"


def test_a_misspelt_key_is_found(copy):
    path = copy / "workflows" / "ci.yml"
    path.write_text(path.read_text().replace("runs-on:", "run-on:"))
    assert "run-on" in schema_errors(path)


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("run: .ci/run", 'run: echo "${{ github.event.pull_request.title }}"', "template-injection"),
        ("actions/checkout@v5", "somebody/checkout@v5", "unpinned-uses"),
        ("persist-credentials: false", "show-progress: false", "artipacked"),
        ("  contents: read", "  contents: write", "excessive-permissions"),
        ("  pull_request:", "  pull_request_target:", "dangerous-triggers"),
    ],
)
def test_a_planted_weakness_is_found(copy, old, new, finding):
    path = copy / "workflows" / "ci.yml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert finding in security_findings(copy)
