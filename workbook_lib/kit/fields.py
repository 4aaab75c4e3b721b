"""Types of fields that say in a service's document exactly what it accepts, no more and no less."""

import json
import re
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

__all__ = ["ENTITY_TAGS", "ONE_LINE", "WHOLE", "JsonObject", "Timestamp"]

_LINE: Final = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"

ENTITY_TAGS: Final = r'^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)?$'
"""Pattern of If-Match and If-None-Match (RFC 9110, 13.1), empty where the header is absent."""


class _OneLine:
    """An annotation: the pattern for the document, and in its place a sentence for people."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {"pattern": _LINE}

    @staticmethod
    def _checked(value: str) -> str:
        if not re.fullmatch(_LINE, value) or value.endswith("\n"):
            raise PydanticCustomError("one_line", "Input should be one line of text, not blank")
        return value


def _whole(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, str | datetime):
        raise PydanticCustomError("timestamp", "Input should be a text in RFC 3339")
    return value


ONE_LINE: Final = _OneLine()
"""Beside a string's bounds: one line with something to see in it, and no control characters, NUL above all,
which PostgreSQL can't store. Such as `Annotated[str, Field(max_length=100), ONE_LINE]`."""

WHOLE: Final = BeforeValidator(_whole)
"""Beside `Field(strict=True)`, for a whole number in JSON: 1.0 is one (JSON Schema, 6.1.1), "1" and true are
none. Such as `Annotated[int, Field(strict=True, ge=0), WHOLE]`."""

Timestamp = Annotated[AwareDatetime, BeforeValidator(_text)]
"""A moment in RFC 3339, with its offset; a number of seconds is none."""


def _can_be_passed_on(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError("holds what JSON can't") from error
    return value


JsonObject = Annotated[dict[str, JsonValue], AfterValidator(_can_be_passed_on)]
"""Any JSON object. Python also reads what isn't JSON (RFC 8259): NaN, 1e400, half a surrogate pair."""
