"""The fault laboratory: kill, pause and cut off what runs, at any time or at a named step."""

from workbook_lib.lab.faults.databases import database_down
from workbook_lib.lab.faults.processes import died, kill, paused
from workbook_lib.lab.faults.proxy import Proxy, proxy
from workbook_lib.lab.faults.relay import Traffic
from workbook_lib.lab.faults.steps import HeldStep, disarm, held_at, kill_at, passed

__all__ = [
    "HeldStep",
    "Proxy",
    "Traffic",
    "database_down",
    "died",
    "disarm",
    "held_at",
    "kill",
    "kill_at",
    "passed",
    "paused",
    "proxy",
]
