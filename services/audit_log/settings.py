"""Settings of the audit log."""

from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.settings import WithDatabase, WithKafka

__all__ = ["AuditLogSettings"]


class AuditLogSettings(WithDatabase, WithKafka):
    """Settings of the audit log."""

    model_config = SettingsConfigDict(env_prefix="AUDIT_LOG_")

    service: str = names.AUDIT_LOG
    port: int = 8084
