"""Load on a service, sent from a process of its own, and what came back."""

from workbook_lib.lab.traffic.calls import run_calls
from workbook_lib.lab.traffic.generator import LoadPlan
from workbook_lib.lab.traffic.process import HeldConnections, TrafficError, hold_connections, run_load
from workbook_lib.lab.traffic.publishing import Published, publishing
from workbook_lib.lab.traffic.result import LoadResult, Sample
from workbook_lib.lab.traffic.scenario import Scenario, run_scenario

__all__ = [
    "HeldConnections",
    "LoadPlan",
    "LoadResult",
    "Published",
    "Sample",
    "Scenario",
    "TrafficError",
    "hold_connections",
    "publishing",
    "run_calls",
    "run_load",
    "run_scenario",
]
