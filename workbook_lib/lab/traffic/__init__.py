"""Load on a service, sent from a process of its own, and what came back.

Names are imported when they are first asked for, as those of `workbook_lib.lab` are: that process is
`python -m` this package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from workbook_lib.lab.traffic.calls import run_calls
    from workbook_lib.lab.traffic.generator import LoadPlan
    from workbook_lib.lab.traffic.process import HeldConnections, TrafficError, hold_connections, run_load
    from workbook_lib.lab.traffic.result import LoadResult, Sample
    from workbook_lib.lab.traffic.scenario import Scenario, run_scenario
    from workbook_lib.lab.traffic.stream import Published, publishing

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

_HOMES: Final = {
    "HeldConnections": "process",
    "LoadPlan": "generator",
    "LoadResult": "result",
    "Published": "stream",
    "Sample": "result",
    "Scenario": "scenario",
    "TrafficError": "process",
    "hold_connections": "process",
    "publishing": "stream",
    "run_calls": "calls",
    "run_load": "process",
    "run_scenario": "scenario",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
