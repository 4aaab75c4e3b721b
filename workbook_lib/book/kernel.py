"""A chapter's kernel, forked from the process that runs the notebook instead of started anew.

That one was itself forked from where `workbook_lib.book.engine` and, for chapters with services,
`workbook_lib.book.preloaded` were imported. To IPython, to the notebook, and to who looks from outside, the
kernel is one that was started by `python -m ipykernel_launcher`. A second kernel is started that way.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbook_lib.book.quick_imports import import_all_again
from workbook_lib.lab import seed, template

__all__ = ["plant_kernel"]

LAUNCHER = [sys.executable, "-m", "ipykernel_launcher"]


def plant_kernel() -> None:
    """Let jupyter_client fork this process's first kernel, where the imports of one are in memory.

    To be called while there is one thread. In the kernel's process it doesn't return.
    """
    if "ipykernel.ipkernel" not in sys.modules:
        return
    planted = seed.plant(_run)
    if planted is None:
        return
    from jupyter_client import launcher

    seeds = [planted]

    def start(cmd: Sequence[str], **how: Any) -> object:  # noqa: ANN401 - as of subprocess.Popen
        told = how["env"]
        if seeds and list(cmd[:3]) == LAUNCHER and how["stdout"] is how["stderr"] is None and seed.fits(told):
            with contextlib.suppress(OSError):  # it has died
                return seeds.pop().sprout(cmd, env=told, cwd=how["cwd"] or Path.cwd())
        return subprocess.Popen(cmd, **how)

    launcher.Popen = start  # type: ignore[assignment, attr-defined]


def _run(argv: list[str]) -> None:
    import_all_again()
    # Where IPython puts the notebook's folder, but not under `python -P`. The launcher removes the first.
    packages = (number for number, folder in enumerate(sys.path) if Path(folder).name == "site-packages")
    sys.path.insert(next(packages, 1), "")
    seed.plant_supervisor()
    template.show(argv, dict(os.environ))
    runpy.run_module(argv[2], run_name="__main__", alter_sys=True)
