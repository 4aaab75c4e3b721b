"""The code is formatted, linted, typed, and of a size that can be read."""

import subprocess
import sys

import pytest

from tests.structure import rules

CODE = rules.files("workbook_lib/*.py", "services/*.py")


def _passes(*command):
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=rules.ROOT, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing_in_code_and_notebooks():
    _passes("ruff", "check", ".")


def test_code_and_notebooks_are_formatted():
    _passes("ruff", "format", "--check", ".")


@pytest.mark.timeout(1000)
def test_mypy_in_strict_mode_finds_nothing():
    _passes("mypy")


@pytest.mark.parametrize("path", CODE, ids=rules.name_of)
def test_modules_and_functions_can_be_read_in_one_sitting(path):
    assert rules.too_long(rules.name_of(path), path.read_text()) == []


def test_no_file_has_a_name_that_says_nothing():
    assert [rules.name_of(path) for path in rules.files("*.py") if rules.vague(rules.name_of(path))] == []
