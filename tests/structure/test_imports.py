"""Who may import whom (DESIGN's table), held by import-linter for code and by a parser for notebooks."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.structure import rules


def test_every_import_contract_is_kept():
    # A process of its own: it silences every logger of the one that it runs in.
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    done = subprocess.run(command, cwd=rules.ROOT, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


def test_the_contract_between_services_names_every_service():
    settings = tomllib.loads((rules.ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contract = next(each for each in settings["contracts"] if each["type"] == "independence")
    services = {path.parent.name for path in rules.files("services/*/service.toml")}
    assert {name.removeprefix("services.") for name in contract["modules"]} == services


@pytest.mark.parametrize("path", rules.files("notebooks/*.ipynb"), ids=lambda path: path.name)
def test_a_chapter_imports_only_what_it_may(path):
    notebook = rules.read_notebook(path)
    assert rules.forbidden_imports(path.name, rules.code_cells(notebook)) == []
