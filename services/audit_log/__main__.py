"""`python -m services.audit_log` starts the service; `--help` lists its settings."""

from services.audit_log.app import build
from services.audit_log.settings import AuditLogSettings
from workbook_lib.kit.service import main

if __name__ == "__main__":
    main(AuditLogSettings, build)
