"""What a `.proto` says about a method's HTTP side: its rules, checked against the messages."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from google.api.annotations_pb2 import http as http_extension
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from workbook_lib.kit.rpc.transcoding.paths import PathTemplate, parse_path

__all__ = ["WHOLE", "Binding", "bindings", "field_at"]

_HTTP: Any = http_extension  # its own stub calls it a plain field descriptor

WHOLE = "*"
"""As a rule's body: every field that the path doesn't fill."""


class Binding(NamedTuple):
    """One HTTP method and path that leads to an RPC method. `body` is a field, `WHOLE`, or "" for none."""

    rpc: MethodDescriptor
    http_method: str
    path: PathTemplate
    body: str

    @property
    def in_path(self) -> set[str]:
        """The fields that the path fills."""
        return {variable.field for variable in self.path.variables}


def bindings(rpc: MethodDescriptor) -> Iterator[Binding]:
    """Every binding of a method; none when it isn't annotated: it stays internal.

    Raises ValueError, naming the method, when the annotation can't be served: a stream, an unknown field, a
    path that breaks the grammar, a `response_body`.
    """
    options = rpc.GetOptions()
    if not options.HasExtension(_HTTP):
        return
    rule: HttpRule = options.Extensions[_HTTP]
    for each in (rule, *rule.additional_bindings):
        try:
            yield _binding(rpc, each)
        except ValueError as error:
            raise ValueError(f"{rpc.full_name}: {error}") from error


def _binding(rpc: MethodDescriptor, rule: HttpRule) -> Binding:
    if rpc.client_streaming or rpc.server_streaming:
        raise ValueError("a stream has no plain HTTP counterpart")
    if rule.response_body:
        raise ValueError("response_body isn't supported")
    pattern = rule.WhichOneof("pattern")
    if pattern is None:
        raise ValueError("the rule names no HTTP method")
    http_method = rule.custom.kind if pattern == "custom" else pattern.upper()
    path = parse_path(rule.custom.path if pattern == "custom" else getattr(rule, pattern))
    for variable in path.variables:
        field_at(rpc.input_type, variable.field)
    if rule.body not in ("", WHOLE):
        field_at(rpc.input_type, rule.body)
    return Binding(rpc, http_method, path, rule.body)


def field_at(message: Descriptor, path: str) -> FieldDescriptor:
    """The field at a dotted path, by its names in the `.proto` or in JSON. Raises ValueError for none."""
    name, _, rest = path.partition(".")
    field: FieldDescriptor | None = message.fields_by_name.get(name) or message.fields_by_camelcase_name.get(
        name
    )
    if field is None:
        raise ValueError(f"{message.full_name} has no field {name}")
    if not rest:
        return field
    if field.message_type is None:
        raise ValueError(f"{field.full_name} has no fields")
    return field_at(field.message_type, rest)
