"""Settings of the shop in one process."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.breaker import BreakerSettings
from workbook_lib.kit.settings import WithDatabase

__all__ = ["MonolithSettings"]

_DATA = Path(__file__).parents[2] / "data"


class MonolithSettings(WithDatabase):
    """Settings of the shop in one process."""

    model_config = SettingsConfigDict(env_prefix="MONOLITH_")

    service: str = names.MONOLITH
    port: int = 8096
    users_file: Path | None = Field(
        default=_DATA / "users.json", description="JSON list of users that fills an empty database"
    )
    stock_file: Path | None = Field(
        default=_DATA / "stock.json", description="JSON list of stock that fills an empty database"
    )
    products_file: Path | None = Field(
        default=_DATA / "products.json", description="JSON list of products that fills an empty database"
    )
    kafka_bootstrap_servers: str | None = Field(
        default=None, description="Kafka brokers that hear of orders; none: events wait in the outbox"
    )
    recommendations_url: str = Field(
        default="http://127.0.0.1:8089", description="recommendations' base URL, without Consul"
    )
    recommendations_timeout_seconds: float = Field(
        default=2.0, gt=0, description="deadline of a call to recommendations; its breaker has another"
    )
    breaker: BreakerSettings = Field(
        default=BreakerSettings(), description="of what is called and can be done without, a JSON object"
    )
