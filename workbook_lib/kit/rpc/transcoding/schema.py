"""The OpenAPI side of a binding: its parameters, body and answer, from the messages' descriptors.

The JSON of a message is protobuf's own mapping (ProtoJSON): lowerCamelCase names, 64-bit integers as strings.
"""

from collections.abc import Set
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from workbook_lib.kit.rpc.transcoding.bindings import WHOLE, Binding, field_at

__all__ = ["openapi_of"]

_INT32 = {"type": "integer", "format": "int32"}
_UINT32 = {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
_INT64 = {"type": "string", "format": "int64", "pattern": r"^-?[0-9]{1,19}$"}
_SCALARS: dict[int, dict[str, Any]] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number"},
    **dict.fromkeys(
        (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SFIXED32), _INT32
    ),
    **dict.fromkeys((FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32), _UINT32),
    **dict.fromkeys(
        (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_SINT64, FieldDescriptor.TYPE_SFIXED64), _INT64
    ),
    **dict.fromkeys((FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED64), _INT64),
}


def openapi_of(binding: Binding) -> dict[str, Any]:
    """What FastAPI adds to the operation: `parameters`, `requestBody` and the 200 answer."""
    request = binding.rpc.input_type
    operation: dict[str, Any] = {"parameters": [*_path_parameters(binding), *_query_parameters(binding)]}
    if binding.body:
        schema = (
            _message(request, without=binding.in_path)
            if binding.body == WHOLE
            else _field(request.fields_by_name[binding.body], ())
        )
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    answer = {"application/json": {"schema": _message(binding.rpc.output_type)}}
    operation["responses"] = {"200": {"description": binding.rpc.output_type.name, "content": answer}}
    return operation


def _path_parameters(binding: Binding) -> list[dict[str, Any]]:
    parameters = []
    for variable in binding.path.variables:
        field = field_at(binding.rpc.input_type, variable.field)
        whole = len(variable.segments) == 1
        schema = _field(field, ()) if whole else {"type": "string"}
        if schema.get("type") == "string":
            schema = {"minLength": 1, **schema}
        parameters += [
            {"name": segment[1:-1], "in": "path", "required": True, "schema": schema}
            for segment in variable.segments
            if segment.startswith("{")
        ]
    return parameters


def _query_parameters(binding: Binding) -> list[dict[str, Any]]:
    """The top level's scalar fields that neither path nor body takes; deeper ones work, but aren't listed."""
    if binding.body == WHOLE:
        return []
    taken = {*binding.in_path, binding.body}
    return [
        {"name": field.json_name, "in": "query", "required": False, "schema": _field(field, ())}
        for field in binding.rpc.input_type.fields
        if field.name not in taken and field.message_type is None
    ]


def _message(
    message: Descriptor, *, without: Set[str] = frozenset(), inside: tuple[str, ...] = ()
) -> dict[str, Any]:
    if message.full_name in inside or message.full_name.startswith("google.protobuf."):
        return {}  # recursive, or with a JSON form of its own: anything
    inside = (*inside, message.full_name)
    properties = {
        field.json_name: _field(field, inside) for field in message.fields if field.name not in without
    }
    return {"type": "object", "title": message.name, "properties": properties, "additionalProperties": False}


def _field(field: FieldDescriptor, inside: tuple[str, ...]) -> dict[str, Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {
            "type": "object",
            "additionalProperties": _field(field.message_type.fields_by_name["value"], inside),
        }
    if field.message_type is not None:
        schema = _message(field.message_type, inside=inside)
    elif field.enum_type is not None:
        schema = {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    else:
        schema = _SCALARS[field.type]
    return {"type": "array", "items": schema} if field.is_repeated else schema
