"""Settings of the report service."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.settings import ServiceSettings

__all__ = ["ReportsSettings"]


class ReportsSettings(ServiceSettings):
    """Settings of the report service."""

    model_config = SettingsConfigDict(env_prefix="REPORTS_")

    service: str = names.REPORTS
    port: int = 8085
    stop_grace_seconds: float = Field(
        default=10, ge=0, description="time to finish accepted work when stopping"
    )
    folder: Path = Field(default=Path(".workbook/reports"), description="where the CSV files are written")
    rows: int = Field(
        default=40_000, ge=1, le=1_000_000, description="sales in a report; the default is about 200 ms"
    )
    kafka_bootstrap_servers: str | None = Field(
        default=None, description="Kafka brokers to take jobs from; none: don't"
    )
    amqp_url: str | None = Field(default=None, description="RabbitMQ to take jobs from; none: don't")
    at_once: int = Field(default=1, ge=1, description="reports built at the same time")
    waiting: int = Field(
        default=100, ge=0, description="accepted reports that may wait; beyond, callers get a 429"
    )
