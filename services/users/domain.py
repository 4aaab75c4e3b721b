"""Rules of a user: what may be stored. No I/O."""

import re
from typing import Annotated
from uuid import uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from workbook_lib.kit.fields import ONE_LINE, WHOLE

__all__ = ["NewUser", "NewUserForm", "User", "with_id"]

# What HTML's <input type="email"> accepts, with a dot in the domain. Only a message sent there can tell more.
_EMAIL = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+"
)


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise PydanticCustomError("email", "Input should be an e-mail address")
    return value


class NewUser(BaseModel):
    """What someone who registers tells."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100), ONE_LINE]
    email: Annotated[
        str,
        StringConstraints(strip_whitespace=True, to_lower=True, max_length=254),
        AfterValidator(_email),
        Field(json_schema_extra={"format": "email"}),
    ]
    age: Annotated[int, Field(strict=True, ge=0, le=150), WHOLE] | None = None


class NewUserForm(NewUser):
    """The same from a form, whose values are all text: "42" is a number there, and there is no null."""

    age: Annotated[
        int | None, Field(ge=0, le=150), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 150})
    ] = None


class User(NewUser):
    """A registered user."""

    id: str


def with_id(new: NewUser) -> User:
    """`new`, registered under an id of its own."""
    return User(id=f"user{uuid4().hex[:12]}", **new.model_dump())
