"""Who may import whom (DESIGN's table), held by import-linter for code and by a parser for notebooks."""

import tomllib

import pytest
from importlinter.cli import lint_imports

from tests.structure import rules


def test_every_import_contract_is_kept(capsys):
    assert lint_imports(cache_dir=None) == 0, capsys.readouterr().out


def test_the_contract_between_services_names_every_service():
    settings = tomllib.loads((rules.ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contract = next(each for each in settings["contracts"] if each["type"] == "independence")
    services = {path.parent.name for path in rules.files("services/*/service.toml")}
    assert {name.removeprefix("services.") for name in contract["modules"]} == services


@pytest.mark.parametrize("path", rules.files("notebooks/*.ipynb"), ids=lambda path: path.name)
def test_a_chapter_imports_only_what_it_may(path):
    notebook = rules.read_notebook(path)
    assert rules.forbidden_imports(path.name, rules.code_cells(notebook)) == []
