"""A security audit of a source tree and of running services: what is asked, and what is found.

Each scan returns findings, none when all is well: `scan_code` (bandit), `scan_secrets` (kingfisher, git's
history too), `scan_dependencies` (a lock against known advisories). `try_injection` attacks a live route.
"""

from workbook_lib.lab.audit.code import scan_code
from workbook_lib.lab.audit.dependencies import scan_dependencies
from workbook_lib.lab.audit.finding import AuditError, Finding
from workbook_lib.lab.audit.injection import Attempt, try_injection
from workbook_lib.lab.audit.leaks import scan_secrets

__all__ = [
    "Attempt",
    "AuditError",
    "Finding",
    "scan_code",
    "scan_dependencies",
    "scan_secrets",
    "try_injection",
]
