"""Load on a service, sent from a process of its own, and what came back."""

from workbook_lib.lab.traffic.process import HeldConnections, TrafficError, hold_connections, run_load
from workbook_lib.lab.traffic.publishing import Published, publishing
from workbook_lib.lab.traffic.result import LoadResult, Sample

__all__ = [
    "HeldConnections",
    "LoadResult",
    "Published",
    "Sample",
    "TrafficError",
    "hold_connections",
    "publishing",
    "run_load",
]
