"""Executed notebooks, as plain JSON: reading one with nbformat would cost a second of imports."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["show_failure"]


def show_failure(executed: Path, cell: int | None, name: str, message: str) -> None:
    """Put a failure that the kernel couldn't report itself under code cell `cell` of an executed notebook."""
    if cell is None or not executed.exists():
        return
    notebook = json.loads(executed.read_bytes())
    code_cells = [each for each in notebook["cells"] if each["cell_type"] == "code" and each["source"]]
    error = {"output_type": "error", "ename": name, "evalue": message, "traceback": [f"{name}: {message}"]}
    code_cells[cell - 1]["outputs"].append(error)
    executed.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
