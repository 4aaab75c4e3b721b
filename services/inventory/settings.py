"""Settings of the inventory service."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.settings import WithDatabase

__all__ = ["InventorySettings"]

_SEED = Path(__file__).parents[2] / "data" / "stock.json"


class InventorySettings(WithDatabase):
    """Settings of the inventory service."""

    model_config = SettingsConfigDict(env_prefix="INVENTORY_")

    service: str = names.INVENTORY
    port: int = 8083
    grpc_port: int | None = 50053
    seed_file: Path | None = Field(
        default=_SEED, description="JSON list of stock that fills an empty database"
    )
    kafka_bootstrap_servers: str | None = Field(
        default=None, description="Kafka brokers, to take part in choreographed orders; none: don't"
    )
