"""What a chapter is run with: servers, service processes, ports, traffic, evidence, pictures.

Names are imported when they are first asked for (PEP 562): the process that sends traffic is of this package,
needs none of them, and would take five times as long to start.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from workbook_lib.lab.errors import LabError
    from workbook_lib.lab.handle import Handle, Started
    from workbook_lib.lab.lab import Lab

__all__ = ["Handle", "Lab", "LabError", "Started"]

_HOMES: Final = {"Handle": "handle", "Lab": "lab", "LabError": "errors", "Started": "handle"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module has
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
