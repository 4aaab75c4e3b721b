"""What a chapter is run with: servers, service processes, ports, traffic, evidence, pictures."""

from workbook_lib.lab.errors import LabError
from workbook_lib.lab.handle import Handle, Started
from workbook_lib.lab.lab import Lab

__all__ = ["Handle", "Lab", "LabError", "Started"]
