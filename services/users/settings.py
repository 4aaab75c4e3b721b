"""Settings of the user service."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.breaker import BreakerSettings
from workbook_lib.kit.settings import WithDatabase, WithRedis

__all__ = ["UsersSettings"]

_DATA = Path(__file__).parents[2] / "data"


class UsersSettings(WithDatabase, WithRedis):
    """Settings of the user service."""

    model_config = SettingsConfigDict(env_prefix="USERS_")

    service: str = names.USERS
    port: int = 8081
    grpc_port: int | None = 50051
    seed_file: Path | None = Field(
        default=_DATA / "users.json", description="JSON list of users that fills an empty database"
    )
    credentials_file: Path | None = Field(
        default=_DATA / "credentials.json",
        description="JSON list of hashes of the password only-for-the-demo-1; not used in prod",
    )
    profile_ttl_seconds: int = Field(default=60, ge=1, description="how long a profile stays in the cache")
    orders_url: str = Field(default="127.0.0.1:50052", description="orders' gRPC address, without Consul")
    recommendations_url: str = Field(
        default="http://127.0.0.1:8089", description="recommendations' base URL, without Consul"
    )
    recommendations_timeout_seconds: float = Field(
        default=2.0, gt=0, description="deadline of a call to recommendations; its breaker has another"
    )
    breaker: BreakerSettings = Field(
        default=BreakerSettings(), description="of what is called and can be done without, a JSON object"
    )
    home_protected: bool = Field(
        default=True,
        description="a breaker between a user's home and recommendations; false only to see an avalanche",
    )
    order_timeout_seconds: float = Field(default=2.0, gt=0, description="deadline of orders.PlaceOrder")
