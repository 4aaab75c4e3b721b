"""Two-phase commit over PostgreSQL databases: one transaction in several of them, all of it or nothing."""

from workbook_lib.kit.two_phase.coordinator import RowsLocked, Transaction, TwoPhaseCoordinator
from workbook_lib.kit.two_phase.log import DecisionLog
from workbook_lib.kit.two_phase.prepared import GlobalId

__all__ = ["DecisionLog", "GlobalId", "RowsLocked", "Transaction", "TwoPhaseCoordinator"]
