"""Settings of the gateway."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from services.gateway.access_settings import AccessSettings
from services.gateway.tenants import check_tenant_keys
from workbook_lib.kit.settings import WithRedis

__all__ = ["GatewaySettings"]

_LOCALES = Path(__file__).resolve().parents[2] / "data" / "locales"


class GatewaySettings(AccessSettings, WithRedis):
    """Settings of the gateway. The addresses count only without Consul."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    service: str = names.GATEWAY
    port: int = 8080
    trust_baggage: bool = Field(
        default=False, description="take over callers' baggage, such as the tenant: never from the internet"
    )
    tenant_keys: Annotated[dict[str, str], AfterValidator(check_tenant_keys)] = Field(
        default={}, description="tenants by the SHA-256 of their API key (X-Api-Key), a JSON object"
    )
    users_url: str = Field(default="http://127.0.0.1:8081", description="users' base URL, without Consul")
    orders_url: str = Field(default="127.0.0.1:50052", description="orders' gRPC address, without Consul")
    inventory_url: str = Field(
        default="127.0.0.1:50053", description="inventory's gRPC address, without Consul"
    )
    shop_url: str = Field(default="http://127.0.0.1:8090", description="the shop's base URL, without Consul")
    products_url: str = Field(
        default="http://127.0.0.1:8086", description="products' base URL, without Consul"
    )
    chatbot_url: str = Field(
        default="http://127.0.0.1:8099", description="the chatbot's base URL, without Consul"
    )
    audit_log_url: str = Field(
        default="http://127.0.0.1:8084", description="audit log's base URL, without Consul"
    )
    recommendations_url: str = Field(
        default="http://127.0.0.1:8089", description="recommendations' base URL, without Consul"
    )
    analytics_url: str = Field(
        default="http://127.0.0.1:8091", description="analytics' base URL, without Consul"
    )
    kafka_bootstrap_servers: str | None = Field(
        default=None, description="Kafka brokers that activities are sent to; none: they are refused"
    )
    timeout_seconds: float = Field(default=3.0, gt=0, description="deadline of each call to a service behind")
    retries: int = Field(
        default=1,
        ge=0,
        description="how often a call that failed at one instance is sent to another, if it may be repeated",
    )
    gzip_minimum_bytes: int = Field(
        default=1024, ge=0, description="least answer that is compressed; 0: none"
    )
    locale_folder: Path = Field(default=_LOCALES, description="catalogues of translations")
    upload_folder: Path = Field(default=Path(".workbook/uploads"), description="where uploads are kept")
    max_upload_bytes: int = Field(default=268_435_456, ge=0, description="largest file that is taken")
    upload_seconds: float = Field(default=120, gt=0, description="how long an upload may take")
    upload_pause_seconds: float = Field(default=10, gt=0, description="longest pause in an upload")
    room_message_bytes: int = Field(default=4096, ge=1, description="longest WebSocket message")
    room_backlog: int = Field(default=64, ge=1, description="messages that wait for a slow reader of a room")
    room_ping_seconds: float = Field(default=20, gt=0, description="how often a quiet WebSocket is pinged")
    stock_ttl_seconds: float = Field(default=30, ge=0, description="how long stock is cached; 0: not at all")
    stock_stale_seconds: float = Field(
        default=0, ge=0, description="how long after that it may be shown stale"
    )
    stock_protected: bool = Field(
        default=True, description="one load at a time for a cold entry; false only to see a stampede"
    )
