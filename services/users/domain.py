"""Rules of a user: what may be stored. No I/O."""

import re
from typing import Annotated
from uuid import uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["NewUser", "NewUserForm", "User", "with_id"]

# What HTML's <input type="email"> accepts, with a dot in the domain. Only a message sent there can tell more.
_EMAIL = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+"
)
# One line of text with something to see in it (PostgreSQL can't store NUL).
_LINE = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise ValueError("not an e-mail address")
    return value


class NewUser(BaseModel):
    """What someone who registers tells."""

    model_config = ConfigDict(frozen=True, strict=True)

    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=_LINE)]
    email: Annotated[
        str,
        StringConstraints(strip_whitespace=True, to_lower=True, max_length=254),
        AfterValidator(_email),
        Field(json_schema_extra={"format": "email"}),
    ]
    age: int | None = Field(default=None, ge=0, le=150)


class NewUserForm(NewUser):
    """The same from a form, whose values are all text: "42" is a number there, and in JSON isn't."""

    model_config = ConfigDict(strict=False)


class Registration(NewUser):
    """`NewUser` with a password, without which nobody can log in.

    The rule is NIST SP 800-63B-4's for a password that is the only factor: long, of whatever characters, and
    not the first that somebody would guess.
    """

    password: SecretStr | None = None

    @model_validator(mode="after")
    def _password_is_good(self) -> Self:
        if self.password is not None:
            text = password_text(self.password)
            if not MIN_PASSWORD <= len(text) <= MAX_PASSWORD:
                raise ValueError(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")
            if len(set(text)) < 6 or text.casefold() in (self.email, self.name.casefold()):
                raise ValueError("a password must not be easy to guess")
        return self


def password_text(password: SecretStr) -> str:
    """What is hashed: the same for every way to type the same characters (NFC, as RFC 8265 has it)."""
    return unicodedata.normalize("NFC", password.get_secret_value())


class User(NewUser):
    """A registered user."""

    id: str


def with_id(new: NewUser) -> User:
    """`new`, registered under an id of its own."""
    return User(id=f"user{uuid4().hex[:12]}", **new.model_dump(include=set(NewUser.model_fields)))
