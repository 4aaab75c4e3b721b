"""Settings of the atomic orders service."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.settings import ServiceSettings

__all__ = ["AtomicOrdersSettings"]

_DATA = Path(__file__).parents[2] / "data"


class AtomicOrdersSettings(ServiceSettings):
    """Settings of the atomic orders service."""

    model_config = SettingsConfigDict(env_prefix="ATOMIC_ORDERS_")

    service: str = names.ATOMIC_ORDERS
    port: int = 8093
    grpc_port: int | None = 50055
    postgres_url: str = Field(
        default="postgresql://127.0.0.1:5432/postgres",
        description="a database of the server in which the orders' own is, or is created",
    )
    participants_url: str | None = Field(
        default=None, description="the same for the stock's and the money's; none: that server too"
    )
    database_prefix: str = Field(
        default="atomic", description="their names are <this>_orders, _stock, _money"
    )
    lock_timeout_seconds: float = Field(default=2.0, gt=0, description="how long to wait for a locked row")
    stock_file: Path = Field(
        default=_DATA / "stock.json", description="JSON list of stock that fills an empty database"
    )
    accounts_file: Path = Field(
        default=_DATA / "accounts.json", description="JSON list of balances that fills an empty database"
    )
