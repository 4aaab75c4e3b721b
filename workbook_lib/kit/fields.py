"""Types of fields that say in a service's document exactly what it accepts, no more and no less."""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

__all__ = ["ENTITY_TAGS", "LINE", "JsonInteger"]

LINE: Final = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
"""Pattern of one line of text with something to see in it: no control characters, NUL above all, which
PostgreSQL can't store."""

ENTITY_TAGS: Final = r'^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)?$'
"""Pattern of If-Match and If-None-Match (RFC 9110, 13.1), empty where the header is absent."""


def _whole(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    return int(value) if isinstance(value, float) and value.is_integer() else value


JsonInteger = Annotated[int, BeforeValidator(_whole), Field(strict=True)]
"""A whole number in JSON, where 1.0 is one (JSON Schema, 6.1.1) and "1" and true are none."""
