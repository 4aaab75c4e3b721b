"""Run one notebook with papermill, in this process, telling every cell as an event.

Started by `workbook run`, once a chapter:

    python -m workbook_lib.book.execute NOTEBOOK --output EXECUTED --events FILE --cell-seconds 60

Events: `start` (cells), `cell_start` (cell, source), `cell_end` (cell, seconds), `error` (cell, seconds,
source, name, message, timeout), `end`. Cells are counted from 1 over code cells, as in `In [1]`. Nothing is
injected into the notebook. What was reached is saved also when a cell fails or takes too long, or when the
kernel dies.
"""

from __future__ import annotations

import argparse
import gc
import re
import sys
import time
from pathlib import Path
from typing import Any

from workbook_lib.book.events import EventWriter
from workbook_lib.book.executed import show_failure
from workbook_lib.book.kernel import plant_kernel
from workbook_lib.book.quick_imports import skip_hadoop, skip_iri_grammars

__all__ = ["main"]

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_SNIPPET_LINES = 15


class _Cells:
    """Follows the kernel through the cells; its methods are nbclient's hooks."""

    def __init__(self, tell: EventWriter, code_cells: list[int]) -> None:
        self._tell = tell
        self._ordinal = {index: ordinal for ordinal, index in enumerate(code_cells, start=1)}
        self._started = time.monotonic()
        self._failed = False
        self._source = ""
        self.current: int | None = None

    def on_cell_execute(self, cell: Any, cell_index: int) -> None:  # noqa: ANN401 - a notebook node
        self.current, self._source = self._ordinal[cell_index], cell.source
        self._started = time.monotonic()
        self._tell("cell_start", cell=self._ordinal[cell_index], source=_first_line(cell.source))

    def on_cell_executed(self, cell: Any, cell_index: int, execute_reply: Any) -> None:  # noqa: ANN401, ARG002
        if execute_reply is None or execute_reply["content"]["status"] == "ok":
            self._tell("cell_end", cell=self._ordinal[cell_index], seconds=self._seconds())

    def on_cell_error(self, cell: Any, cell_index: int, execute_reply: Any) -> None:  # noqa: ANN401
        content = execute_reply["content"]
        if "raises-exception" in cell.metadata.get("tags", []):
            self._tell("cell_end", cell=self._ordinal[cell_index], seconds=self._seconds())
            return
        self.failed(content["ename"], _ANSI.sub("", content["evalue"]))

    def failed(self, name: str, message: str, *, timeout: bool = False) -> None:
        """Tell the first error; what follows from it isn't news."""
        if self._failed:
            return
        self._failed = True
        snippet = "\n".join(self._source.splitlines()[:_SNIPPET_LINES])
        self._tell(
            "error",
            cell=self.current,
            seconds=self._seconds(),
            source=snippet,
            name=name,
            message=message,
            timeout=timeout,
        )

    def _seconds(self) -> float:
        return round(time.monotonic() - self._started, 3)


def main(argv: list[str] | None = None) -> int:
    """Run the notebook that `argv` names; 0 when every cell passed, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m workbook_lib.book.execute")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="where the executed notebook goes")
    parser.add_argument("--events", type=Path, required=True, help="file that events are appended to")
    parser.add_argument("--cell-seconds", type=int, required=True, help="the limit of one cell")
    options = parser.parse_args(argv)
    return _execute(options.notebook, options.output, EventWriter(options.events), options.cell_seconds)


def _execute(notebook: Path, output: Path, tell: EventWriter, cell_seconds: int) -> int:
    skip_iri_grammars()
    skip_hadoop()
    import nbformat
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import execute_notebook

    notebook_cells = nbformat.read(notebook, as_version=4).cells  # type: ignore[no-untyped-call]
    code_cells = [
        index for index, cell in enumerate(notebook_cells) if cell.cell_type == "code" and cell.source.strip()
    ]
    cells = _Cells(tell, code_cells)
    tell("start", cells=len(code_cells))
    try:
        execute_notebook(  # type: ignore[no-untyped-call]
            notebook,
            output,
            cwd=notebook.parent,
            progress_bar=False,
            execution_timeout=cell_seconds,
            on_cell_execute=cells.on_cell_execute,
            on_cell_executed=cells.on_cell_executed,
            on_cell_error=cells.on_cell_error,
        )
    except PapermillExecutionError as error:
        cells.failed(error.ename, _ANSI.sub("", error.evalue))
        return 1
    except CellTimeoutError:
        message = f"the cell was not done after its limit of {cell_seconds} s"
        cells.failed("Timeout", message, timeout=True)
        show_failure(output, cells.current, "Timeout", message)
        return 1
    except (DeadKernelError, RuntimeError) as error:
        message = "the kernel died while this cell ran" if isinstance(error, DeadKernelError) else str(error)
        cells.failed(type(error).__name__, message)
        show_failure(output, cells.current, type(error).__name__, message)
        return 1
    tell("end")
    return 0


def _first_line(source: str) -> str:
    lines = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return lines[0].strip() if lines else ""


if __name__ == "__main__":
    plant_kernel()
    status = main()
    gc.disable()  # a last look for garbage among all that was imported would be for nothing
    gc.freeze()
    sys.exit(status)
