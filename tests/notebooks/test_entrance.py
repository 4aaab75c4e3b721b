"""The notebook that JupyterLab opens first: its cells run, and show every chapter."""

import ast

from tests.structure import rules
from workbook_lib.lab.progress import ENTRANCE, overview


def test_its_cells_show_each_chapter_and_what_this_machine_lacks(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBOOK_DATA", str(tmp_path))
    monkeypatch.chdir(rules.ROOT / "notebooks")
    progress, ready = rules.code_cells(rules.read_notebook(rules.ROOT / "notebooks" / ENTRANCE))
    names: dict[str, object] = {}
    shown = repr(_last_value(progress, names))
    assert [chapter.title for chapter in overview() if chapter.title not in shown] == []
    assert shown.startswith(f"0 of {len(overview())} chapters done")
    assert "advice" in repr(_last_value(ready, names))


def _last_value(source, names):
    """What a notebook would display under this cell."""
    *statements, last = rules.parse_cell(source).body
    exec(compile(ast.Module(statements, []), "<cell>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
