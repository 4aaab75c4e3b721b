"""The service that the reader assembles in chapter 5.5 is as good as those of the book."""

import subprocess
import sys

import pytest

from tests.structure import rules

CHAPTER = rules.ROOT / "notebooks" / "05_5_your_own_service.ipynb"


@pytest.fixture
def package(tmp_path):
    """The files that its cells write, as IPython's %%writefile does."""
    folder = tmp_path / "notifications"
    folder.mkdir()
    (folder / "__init__.py").touch()
    for cell in rules.read_notebook(CHAPTER)["cells"]:
        magic, _, text = "".join(cell["source"]).partition("\n")
        if magic.startswith("%%writefile "):
            *options, path = magic.split()[1:]
            with (folder / path.removeprefix("{package}/")).open("a" if "-a" in options else "w") as file:
                file.write(text.rstrip("\n") + "\n")
    return folder


def test_it_is_one_module_of_under_60_lines_that_the_kits_own_rules_pass(package):
    assert {path.name for path in package.glob("*.py")} == {"__init__.py", "__main__.py", "app.py"}
    assert len((package / "app.py").read_text().splitlines()) < 60
    settings = ["--config", str(rules.ROOT / "pyproject.toml"), "--extend-ignore", "D,E30,I001"]
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *settings, str(package)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_what_the_cells_assemble_builds_a_service(package):
    code = (
        "from notifications.app import *; print(list(build(NotificationsSettings()).app.openapi()['paths']))"
    )
    built = subprocess.run(
        [sys.executable, "-c", code],
        cwd=package.parent,
        env={"PYTHONPATH": str(rules.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "/notifications/{user_id}" in built.stdout, built.stderr
