"""From an HTTP request to the RPC's message, by the rules of google/api/http.proto."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from workbook_lib.kit.errors import InvalidRequest
from workbook_lib.kit.rpc.transcoding.bindings import WHOLE, Binding, field_at

__all__ = ["read_message"]

_BAD_FIELD = re.compile(r"Failed to parse (?P<field>\w+) field: (?P<problem>.*)", re.DOTALL)
_UNKNOWN = re.compile(r'has no field named "(?P<field>[^"]*)"')
_BOOLEANS = {"true": True, "false": False}


def read_message(
    binding: Binding, path: Mapping[str, str], query: Iterable[tuple[str, str]], body: bytes
) -> Message:
    """Fill the method's request from path, query and body, in this order of precedence.

    Raises InvalidRequest with the field at fault: not JSON, unknown, of the wrong type, out of range.
    """
    content = _body(binding, body)
    for name, text in query:
        _put_query(binding, content, name, text)
    for variable in binding.path.variables:
        _put(binding, content, variable.field, variable.value(path))
    try:
        return ParseDict(content, GetMessageClass(binding.rpc.input_type)())
    except (ParseError, ValueError, TypeError, RecursionError) as error:
        raise _invalid(error) from error


def _body(binding: Binding, body: bytes) -> dict[str, Any]:
    if not binding.body:
        if body:
            raise _refused("body", "none is expected")
        return {}
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _refused("body", "not JSON") from error
    if binding.body != WHOLE:
        return {binding.body: content}
    if not isinstance(content, dict):
        raise _refused("body", "not a JSON object")
    return content


def _put_query(binding: Binding, content: dict[str, Any], name: str, text: str) -> None:
    """Set a field from a query parameter; a repeated field collects every occurrence."""
    try:
        field = field_at(binding.rpc.input_type, name)
    except ValueError:
        raise _refused(name, "no such parameter") from None
    if field.message_type is not None:
        raise _refused(name, "an object can't be a parameter")
    if binding.body == WHOLE or name.partition(".")[0] == binding.body:
        raise _refused(name, "belongs into the body")
    value: Any = text
    if field.type == FieldDescriptor.TYPE_BOOL:  # the other types are read from text by protobuf itself
        value = _BOOLEANS.get(text, text)
    if field.is_repeated:
        name_in_json = _path(binding, name)
        _at(content, name_in_json).setdefault(name_in_json[-1], []).append(value)
    else:
        _put(binding, content, name, value)


def _put(binding: Binding, content: dict[str, Any], name: str, value: object) -> None:
    path = _path(binding, name)
    holder = _at(content, path)
    holder.pop(field_at(binding.rpc.input_type, name).name, None)  # JSON allows the .proto's name as well
    holder[path[-1]] = value


def _at(content: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """The object that holds the last name of `path`, made where it is missing."""
    for name in path[:-1]:
        inner = content.setdefault(name, {})
        if not isinstance(inner, dict):
            raise _refused(name, "not an object")
        content = inner
    return content


def _path(binding: Binding, name: str) -> list[str]:
    """A dotted field path in JSON's names, which is what bodies use, so that one field has one key."""
    parts = name.split(".")
    above = [".".join(parts[: number + 1]) for number in range(len(parts))]
    return [field_at(binding.rpc.input_type, path).json_name for path in above]


def _invalid(error: Exception) -> InvalidRequest:
    text = str(error)
    if found := _BAD_FIELD.search(text):
        # Protobuf passes on Python's own words for what isn't an integer.
        problem = found["problem"].replace("invalid literal for int() with base 10", "not a whole number")
        return _refused(found["field"], problem)
    if found := _UNKNOWN.search(text):
        return _refused(found["field"], "no such field")
    return _refused("body", text)


def _refused(field: str, message: str) -> InvalidRequest:
    return InvalidRequest("The request isn't valid.", details=[{"field": field, "message": message}])
