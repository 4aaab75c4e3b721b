"""What an audit finds."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AuditError", "Finding"]


class AuditError(RuntimeError):
    """A scanner didn't do its work, so nothing can be said; the message is what it printed."""


@dataclass(frozen=True, order=True)
class Finding:
    """One weakness: the rule that knows it, the place, and what is wrong there."""

    rule: str
    """For example B608, CVE-2026-24486."""
    place: str
    """`file:line`, with `@commit` for what is only in the history; or `package version`."""
    message: str
