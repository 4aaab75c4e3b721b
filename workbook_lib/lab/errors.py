"""The one error that a lab raises."""

from __future__ import annotations

from workbook_lib.lab.processes import Process

__all__ = ["LabError"]


class LabError(RuntimeError):
    """Something that a chapter runs isn't there: which, why, and the end of its log."""

    @classmethod
    def of(cls, process: Process, why: str) -> LabError:
        """The error for one process, with the end of its log."""
        tail = process.log_tail(15) or "(it printed nothing)"
        return cls(f"{process.name}: {why}. The end of {process.log_path}:\n{tail}")

    @classmethod
    def died(cls, process: Process, when: str) -> LabError:
        """The error for a process that ended by itself."""
        code = process.exit_code
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"exited with code {code}"
        return cls.of(process, f"the process (pid {process.pid}) {how} {when}")
