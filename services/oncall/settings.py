"""Settings of the oncall service."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.settings import ServiceSettings

__all__ = ["OncallSettings"]


class OncallSettings(ServiceSettings):
    """Settings of the oncall service."""

    model_config = SettingsConfigDict(env_prefix="ONCALL_")

    service: str = names.ONCALL
    port: int = 8087
    kept_alerts: int = Field(default=500, ge=1, le=100_000, description="how many alerts are remembered")
