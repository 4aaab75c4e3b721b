"""The library's public names are declared, documented, and used by a test, a service or a chapter."""

import ast
import importlib
import inspect
from functools import cache
from pathlib import Path

import pytest

from tests.structure import rules

LIBRARY = rules.files("workbook_lib/kit/*.py", "workbook_lib/lab/*.py")
MODULES = [path for path in LIBRARY if path.name != "__main__.py"]
# What chapters, services and scripts import. Other modules of lab, and what lies deeper, are parts within.
INTERFACE = [
    *(path for path in MODULES if path.parent.name == "kit"),
    *(path for path in MODULES if path.parent.parent.name == "kit" and path.stem == "__init__"),
    *(rules.ROOT / "workbook_lib" / "lab" / name for name in ("__init__.py", "command.py", "doctor.py")),
    *(path for path in MODULES if path.parent.parent.name == "lab" and path.stem == "__init__"),
]


@pytest.mark.parametrize("path", MODULES, ids=rules.name_of)
def test_a_module_declares_its_public_names_and_has_them(path: Path):
    declared = rules.declared_all(path.read_text())
    assert declared is not None, "it has no literal __all__"
    module = importlib.import_module(_module_name(path))
    assert [name for name in declared if not hasattr(module, name)] == []


@pytest.mark.parametrize("path", MODULES, ids=rules.name_of)
def test_everything_public_has_a_docstring(path: Path):
    assert rules.undocumented(rules.name_of(path), path.read_text()) == []


@pytest.mark.parametrize("path", INTERFACE, ids=rules.name_of)
def test_everything_public_is_used_by_a_test_a_service_or_a_chapter(path: Path):
    module = importlib.import_module(_module_name(path))
    public = {name: getattr(module, name) for name in module.__all__}
    functions = [name for name, value in public.items() if inspect.isfunction(value)]
    methods = [f"{name}.{method}" for name, value in public.items() for method in _methods(value)]
    assert [name for name in functions + methods if name.split(".")[-1] not in _used()] == []


def _methods(value: object) -> list[str]:
    """Public methods that a class of ours defines itself, but for the hooks that a library calls."""
    if not inspect.isclass(value) or not value.__module__.startswith("workbook_lib."):
        return []
    foreign = [base for base in value.__mro__ if not base.__module__.startswith("workbook_lib.")]
    tree = ast.parse(inspect.getsource(inspect.getmodule(value)))
    of_class = f"{value.__name__}."
    own = [name.removeprefix(of_class) for name, _ in rules.definitions(tree) if name.startswith(of_class)]
    foreign = [base for base in value.__mro__ if not base.__module__.startswith("workbook_lib.")]
    return [name for name in own if not any(hasattr(base, name) for base in foreign)]


@cache
def _used() -> frozenset[str]:
    code = rules.files(
        "tests/*.py", "services/*.py", "benchmarks/*.py", "workbook_lib/cli.py", "workbook_lib/book/*.py"
    )
    names = {name for path in code for name in rules.identifiers(path.read_text())}
    for path in rules.files("notebooks/*.ipynb"):
        for source in rules.code_cells(rules.read_notebook(path)):
            names |= rules.identifiers(source)
    return frozenset(names)


def _module_name(path: Path) -> str:
    return rules.name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
