"""Settings of the recommendations."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.settings import WithDatabase, WithKafka

__all__ = ["RecommendationsSettings"]


class RecommendationsSettings(WithDatabase, WithKafka):
    """Settings of the recommendations."""

    model_config = SettingsConfigDict(env_prefix="RECOMMENDATIONS_")

    service: str = names.RECOMMENDATIONS
    port: int = 8089
    history_items: int = Field(
        default=50, ge=1, description="a user's latest items that are paired with a new one"
    )
