"""Settings of the order service."""

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from services.orders.domain import Coordination
from workbook_lib.kit.settings import WithDatabase

__all__ = ["OrdersSettings"]


class OrdersSettings(WithDatabase):
    """Settings of the order service."""

    model_config = SettingsConfigDict(env_prefix="ORDERS_")

    service: str = names.ORDERS
    port: int = 8082
    grpc_port: int | None = 50052
    inventory_url: str = Field(
        default="127.0.0.1:50053", description="inventory's gRPC address, without Consul"
    )
    payments_url: str = Field(default="127.0.0.1:50054", description="payments' gRPC address, without Consul")
    reserve_timeout_seconds: float = Field(
        default=1.0, gt=0, description="deadline of each call to inventory"
    )
    charge_timeout_seconds: float = Field(default=1.0, gt=0, description="deadline of each call to payments")
    coordination: Coordination = Field(
        default=Coordination.RESERVE_ONLY,
        description="for orders that don't say: RESERVE_ONLY, ORCHESTRATION, CHOREOGRAPHY or TCC",
    )
    answer_seconds: float = Field(
        default=1.5, gt=0, description="an order that isn't settled by then is answered as PENDING"
    )
    compensation_attempts: int = Field(
        default=30, ge=1, description="a saga whose compensation fails so often is parked for a person"
    )
    kafka_bootstrap_servers: str | None = Field(
        default=None, description="Kafka brokers, host:port by commas; none: events wait in the outbox"
    )
    publish: Literal["outbox", "direct"] = Field(
        default="outbox",
        description="how RESERVE_ONLY tells of an order; direct: a dual write, to see what gets lost",
    )
