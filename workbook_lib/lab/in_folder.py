"""Runs a module in a folder: `python -m workbook_lib.lab.in_folder FOLDER MODULE ARGUMENT…`.

A process that is forked from a prepared Python begins in that one's folder; pods have folders of their own,
and so have versions of a service.
"""

from __future__ import annotations

import os
import runpy
import sys

__all__ = ["main"]


def main() -> None:
    """Go there, and be that module."""
    folder, module, *arguments = sys.argv[1:]
    os.chdir(folder)
    sys.path.insert(0, folder)  # as under `python -m`
    sys.argv = ["-m", *arguments]  # runpy puts the module's file in the place of the first
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
