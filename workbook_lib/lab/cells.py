"""In a notebook: no cell is run on a system that has lost a part, as if nothing had happened."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable

from workbook_lib.lab.errors import LabError

__all__ = ["watch_cells"]


def watch_cells(check: Callable[[], None]) -> Callable[[], None]:
    """Call `check` before each cell; a `LabError` that it raises is the cell's error, and the cell isn't run.

    The same loss is told once, so that a reader who knows can look around and repair. Returns what ends the
    watch. Outside IPython there are no cells, and nothing is watched.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return lambda: None
    watch = _Watch(check)
    shell.ast_transformers.append(watch)

    def end() -> None:
        if watch in shell.ast_transformers:
            shell.ast_transformers.remove(watch)

    return end


class _Watch(ast.NodeTransformer):
    """IPython's documented way to refuse a cell: a transformer that raises `InputRejected`."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._told: set[str] = set()

    def visit(self, node: ast.AST) -> ast.AST:
        from IPython.core.error import InputRejected

        try:
            self._check()
        except LabError as loss:
            if str(loss) not in self._told:
                self._told.add(str(loss))
                raise InputRejected(str(loss)) from loss
        return node
