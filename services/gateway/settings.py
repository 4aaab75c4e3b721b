"""Settings of the gateway."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.settings import ServiceSettings

__all__ = ["GatewaySettings"]


class GatewaySettings(ServiceSettings):
    """Settings of the gateway. The addresses count only without Consul."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    service: str = names.GATEWAY
    port: int = 8080
    users_url: str = Field(default="http://127.0.0.1:8081", description="users' base URL, without Consul")
    orders_url: str = Field(default="127.0.0.1:50052", description="orders' gRPC address, without Consul")
    inventory_url: str = Field(
        default="127.0.0.1:50053", description="inventory's gRPC address, without Consul"
    )
    timeout_seconds: float = Field(default=3.0, gt=0, description="deadline of each call to a service behind")
