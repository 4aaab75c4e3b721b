"""A value as a layer gives it, and the error for one that can't be used."""

import json
from typing import NamedTuple

__all__ = ["Given", "SettingsError", "read_text"]


class SettingsError(Exception):
    """Settings that can't be used; the message names each and what is wrong with it, and no secret."""


class Given(NamedTuple):
    """A value and the layer that it comes from."""

    value: object
    source: str


def read_text(text: str, name: str, source: str, *, is_json: bool) -> Given:
    """The value of a setting that was given as text; lists and mappings are given as JSON."""
    if not is_json:
        return Given(text, source)
    try:
        return Given(json.loads(text), source)
    except json.JSONDecodeError as error:
        raise SettingsError(f"{name}: not JSON, in {source} ({error})") from None
