"""What travels through Kafka and RabbitMQ, as frozen models.

A consumer is a tolerant reader: it ignores fields it doesn't know, and `type` is an open string, so that a
producer may add either without a release of its consumers.
"""

from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

__all__ = ["ORDER_PLACED", "ReportJob", "UserEvent"]

ORDER_PLACED: Final = "order_placed"
"""`data` holds order_id, sku, quantity and total_cents."""


class UserEvent(BaseModel):
    """Something that happened to a user; published on `topics.USER_EVENTS`."""

    model_config = ConfigDict(frozen=True)

    event_id: str = Field(min_length=1, description="Unique; a consumer recognises a redelivery by it.")
    type: str = Field(min_length=1)
    user_id: str = Field(min_length=1, description="The message's key.")
    at: AwareDatetime = Field(description="When it happened, UTC.")
    data: dict[str, JsonValue] = Field(default_factory=dict)


class ReportJob(BaseModel):
    """A report that somebody shall build; sent to `topics.REPORT_JOBS`."""

    model_config = ConfigDict(frozen=True)

    report_id: str = Field(
        pattern=r"^[0-9a-f]{32}$", description="Names the report: a repeated job is the same report."
    )
    rows: int = Field(ge=1, le=1_000_000, description="Sales in it.")
