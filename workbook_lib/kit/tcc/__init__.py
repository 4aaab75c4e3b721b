"""TCC (try, confirm, cancel): services first reserve, then all confirm or all cancel."""

from workbook_lib.kit.tcc.branches import BranchConflict, Branches, LateTry
from workbook_lib.kit.tcc.coordinator import TccCoordinator
from workbook_lib.kit.tcc.model import Participant, TccContext, TccLog, TccOutcome, TccState

__all__ = [
    "BranchConflict",
    "Branches",
    "LateTry",
    "Participant",
    "TccContext",
    "TccCoordinator",
    "TccLog",
    "TccOutcome",
    "TccState",
]
