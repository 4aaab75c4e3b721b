"""Settings of the analytics."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.settings import WithDatabase, WithKafka

__all__ = ["AnalyticsSettings"]


class AnalyticsSettings(WithDatabase, WithKafka):
    """Settings of the analytics."""

    model_config = SettingsConfigDict(env_prefix="ANALYTICS_")

    service: str = names.ANALYTICS
    port: int = 8091
    window_seconds: int = Field(default=10, ge=1, le=86_400, description="length of a window")
    lateness_seconds: float = Field(
        default=5, ge=0, description="how far behind the newest event of its partition an event may come"
    )
    ahead_seconds: float = Field(
        default=60, ge=0, description="how far ahead of this machine's clock an event may be"
    )
