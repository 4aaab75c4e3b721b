"""What the chatbot says: plain rules, no I/O."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["HANDED_OVER", "UNKNOWN", "ChatMessage", "ChatReply", "addressed"]

UNKNOWN = "I don't know that. A person will read your question and write to you."
HANDED_OVER = "I can't look that up at the moment. A person will read your question and write to you."


class ChatMessage(BaseModel):
    """What a customer writes."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    user_id: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$", description="who writes; null: a guest"
    )


class ChatReply(BaseModel):
    """What the customer reads, and where it comes from."""

    reply: str
    by: Literal["model", "nobody"] = Field(description="nobody: the model couldn't be asked")
    found: bool = Field(description="whether the model knows such a question")
    intent: str | None = Field(description="what the customer wants, such as track_order")
    entry_id: str | None = Field(description="which entry of the FAQ it is")
    score: float | None = Field(description="how near the known question is: the cosine, at most 1")
    model_version: str | None


def addressed(name: str | None, text: str) -> str:
    """The text, to the customer of that name; a guest, and whoever couldn't be looked up, has none."""
    return f"{name.split()[0]}: {text}" if name and name.strip() else text
