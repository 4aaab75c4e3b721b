"""Every rule can fail: it finds the fault in a small bad example, and nothing in a good one."""

from tests.structure import rules


def _notebook(*cells, **fields):
    made = [
        {"cell_type": "code", "source": source, "outputs": [], "execution_count": None} for source in cells
    ]
    return {"cells": [cell | fields for cell in made]}


def test_a_long_module_and_a_long_function_are_found():
    assert rules.too_long("m", "x = 1\n" * 400) == []
    assert rules.too_long("m", "x = 1\n" * 401) == ["m: 401 lines, at most 400"]
    assert rules.too_long("m", "def f():\n" + "    x = 1\n" * 40) == ["m:1: f has 41 lines, at most 40"]
    assert rules.too_long("m", "def f():\n" + "    x = 1\n" * 39) == []


def test_names_that_say_nothing_are_found():
    assert rules.vague("workbook_lib/kit/utils.py")
    assert rules.vague("workbook_lib/common/http.py")
    assert not rules.vague("workbook_lib/kit/errors.py")


def test_missing_docstrings_are_found_in_modules_classes_functions_and_methods():
    source = "class A:\n  def b(self): ...\n  def _c(self): ...\ndef d(): 'says what'\n"
    assert rules.undocumented("m", source) == ["m: the module", "m:1: A", "m:2: A.b"]


def test_all_is_read_and_its_absence_noticed():
    assert rules.declared_all("__all__ = ['a', 'b']") == ["a", "b"]
    assert rules.declared_all("__all__: list[str] = []") == []
    assert rules.declared_all("a = 1") is None


def test_identifiers_are_names_attributes_imports_and_keywords():
    assert rules.identifiers("from a.b import c\nd.e(f=1)") == {"c", "d", "e", "f"}
    assert "in_a_string" not in rules.identifiers("x = 'in_a_string'")


def test_outputs_and_counts_are_found():
    assert rules.outputs_left("n", _notebook("x")) == []
    assert rules.outputs_left("n", _notebook("x", execution_count=1))
    assert rules.outputs_left("n", _notebook("x", outputs=[{"output_type": "stream"}]))


def test_long_cells_are_found():
    assert rules.long_cells("n", _notebook("\n".join(["x"] * 15))) == []
    assert rules.long_cells("n", _notebook("\n".join(["x"] * 16)))


def test_an_exercise_that_lacks_a_cell_a_fold_or_its_check_is_found():
    check = "await exercise.larger.check(1)"

    def cell(tag, source=check, *, folded=True):
        metadata = {"tags": [tag, "hide-cell"], "jupyter": {"source_hidden": folded}}
        return {"cell_type": "code", "source": source, "metadata": metadata}

    def faults(*cells):
        return rules.exercise_faults("n", {"cells": [cell("exercise", folded=False), *cells]})

    wrong = cell("wrong-answer", f"# a misconception\n{check}")
    assert faults(cell("solution"), wrong, wrong) == []
    assert "[1, 1, 1]" in faults(cell("solution"), wrong)[0]
    assert "[1, 0, 2]" in faults(wrong, wrong)[0]
    assert "isn't folded" in faults(cell("solution", folded=False), wrong, wrong)[0]
    assert "end with its check" in faults(cell("solution", "x = 1"), wrong, wrong)[0]
    assert "misconception" in faults(cell("solution"), wrong, cell("wrong-answer"))[0]


def test_a_chapters_checks_are_in_the_module_of_its_number():
    assert rules.exercise_module(rules.ROOT / "notebooks" / "04_3_1_tracing.ipynb") == "chapter_4_3_1"
    assert rules.exercise_module(rules.ROOT / "notebooks" / "01_environment.ipynb") == "chapter_1"


def test_imports_that_chapters_must_not_use_are_found():
    def found(source):
        return rules.forbidden_imports("n", [source])

    assert found("import asyncio\nfrom workbook_lib.lab import Lab, show\nimport httpx2\nawait x()") == []
    assert found("from services.contracts.users_pb2 import UserRequest") == []
    assert found("from services.users import app") == ["n: services.users.app"]
    assert found("from workbook_lib.book import runner") == ["n: workbook_lib.book.runner"]
    assert found("import numpy") == ["n: numpy"]
    assert found("from workbook_lib.lab.lab import _labs") == ["n: workbook_lib.lab.lab._labs"]
    assert found("lab._handles") == ["n: _handles"]
    assert found("__name__, type(x).__name__") == []


def test_package_indexes_and_paths_of_a_machine_are_found():
    def found(text):
        return rules.foreign_addresses("f", text, ["/srv/checkout"])

    assert found("see https://www.w3.org/TR/trace-context/ and http://127.0.0.1:8080") == []
    assert found("get it from https://" + "mirror.example.org/simple")
    assert found("pip install --index-url " + "https://example.org/simple")
    assert found("cd /srv/checkout && make")
    assert found("cd /srv/checkout/docs")
    assert found("cd /srv/checkout-2") == []
