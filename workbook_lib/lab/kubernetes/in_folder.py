"""Runs a module in a folder: `python -m workbook_lib.lab.kubernetes.in_folder FOLDER MODULE ARGUMENT…`.

A process that is forked from a prepared Python begins in that one's folder, and a pod has one of its own.
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
    sys.argv = ["-m", *arguments]  # runpy puts the module's file in the place of the first
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
