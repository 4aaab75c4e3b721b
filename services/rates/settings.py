"""Settings of the rates service."""

from decimal import Decimal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from services.rates.domain import Percent
from workbook_lib.kit.settings import ServiceSettings

__all__ = ["RatesSettings"]


class RatesSettings(ServiceSettings):
    """Settings of the rates service: what it is told at start, once."""

    model_config = SettingsConfigDict(env_prefix="RATES_")

    service: str = names.RATES
    port: int = 8097
    interest_rate: Percent = Field(
        default=Decimal("3.85"), description="interest until the config centre says otherwise, percent a year"
    )
    fee_rate: Percent = Field(
        default=Decimal("0.385"), description="fee until the config centre says otherwise, percent a year"
    )

    @property
    def live_prefix(self) -> str:
        """Where in Consul's KV the terms are that may change at any time."""
        return f"live/{self.environment}/{self.service}"
