"""Rules of an account: which passwords are good. No I/O."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from services.users.domain import NewUser

__all__ = ["MAX_PASSWORD", "MIN_PASSWORD", "NewAccount", "Password"]

MIN_PASSWORD = 15
"""NIST SP 800-63B-4, for a password that is the only factor. It asks for no digits and no capitals."""
MAX_PASSWORD = 128
"""Each try to log in hashes what was sent, so there is a bound; NIST asks for at least 64."""
_FEWEST_CHARACTERS = 6


def _normal(password: SecretStr) -> SecretStr:
    """The same text for every way to type the same characters: NFC, as in RFC 8265."""
    text = unicodedata.normalize("NFC", password.get_secret_value())
    if not text or len(text) > MAX_PASSWORD:
        raise ValueError(f"must have 1 to {MAX_PASSWORD} characters")
    return SecretStr(text)


Password = Annotated[
    SecretStr, AfterValidator(_normal), Field(json_schema_extra={"minLength": 1, "maxLength": MAX_PASSWORD})
]
"""A password as somebody typed it, good or not."""


class NewAccount(NewUser):
    """What someone tells who wants to log in later."""

    password: Annotated[Password, Field(json_schema_extra={"minLength": MIN_PASSWORD})]

    @field_validator("password")
    @classmethod
    def _is_good(cls, password: SecretStr, info: ValidationInfo) -> SecretStr:
        text = password.get_secret_value()
        if len(text) < MIN_PASSWORD:
            raise ValueError(f"must have at least {MIN_PASSWORD} characters")
        known = {str(info.data.get(name, "")).casefold() for name in ("name", "email")}
        if len(set(text)) < _FEWEST_CHARACTERS or text.casefold() in known:
            raise ValueError("is too easy to guess")
        return password
