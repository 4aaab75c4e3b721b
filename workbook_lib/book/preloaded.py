"""All that a chapter and its services import, for the run to import once: see `workbook_lib.book.kernel`."""

import importlib

import httpx2  # noqa: F401

import workbook_lib.lab.evidence
import workbook_lib.lab.faults
import workbook_lib.lab.lab
import workbook_lib.lab.show
import workbook_lib.lab.traffic  # noqa: F401
from workbook_lib.lab.services import PRELOADED

__all__: list[str] = []

for _name in PRELOADED:
    importlib.import_module(_name)
