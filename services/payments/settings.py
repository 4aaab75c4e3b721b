"""Settings of the payment service."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.settings import WithDatabase

__all__ = ["PaymentsSettings"]

_SEED = Path(__file__).parents[2] / "data" / "accounts.json"


class PaymentsSettings(WithDatabase):
    """Settings of the payment service."""

    model_config = SettingsConfigDict(env_prefix="PAYMENTS_")

    service: str = names.PAYMENTS
    port: int = 8092
    grpc_port: int | None = 50054
    seed_file: Path | None = Field(
        default=_SEED, description="JSON list of users' balances that fills an empty ledger"
    )
    opening_balance_cents: int = Field(
        default=1_000_000, ge=0, description="what a user has who isn't in the seed"
    )
    kafka_bootstrap_servers: str | None = Field(
        default=None, description="Kafka brokers, to take part in choreographed orders; none: don't"
    )
