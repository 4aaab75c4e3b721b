"""Settings of the order service."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.settings import WithDatabase, WithKafka

__all__ = ["OrdersSettings"]


class OrdersSettings(WithDatabase, WithKafka):
    """Settings of the order service."""

    model_config = SettingsConfigDict(env_prefix="ORDERS_")

    service: str = names.ORDERS
    port: int = 8082
    grpc_port: int | None = 50052
    inventory_url: str = Field(
        default="127.0.0.1:50053", description="inventory's gRPC address, without Consul"
    )
    reserve_timeout_seconds: float = Field(default=1.0, gt=0, description="deadline of inventory.Reserve")
