"""What travels through Kafka, as frozen models.

A consumer is a tolerant reader: it ignores fields it doesn't know, and `type` is an open string, so that a
producer may add either without a release of its consumers.
"""

from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

__all__ = ["ORDER_PLACED", "UserEvent"]

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
