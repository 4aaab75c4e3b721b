"""Path templates of `google.api.http`, as the paths that Starlette routes by.

The grammar is that of google/api/http.proto:

    Template = "/" Segments [ ":" LITERAL ]        Segment  = "*" | "**" | LITERAL | Variable
    Segments = Segment { "/" Segment }             Variable = "{" field.path [ "=" Segments ] "}"
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["PathTemplate", "Variable", "parse_path"]

_VARIABLE = re.compile(r"\{(?P<field>[A-Za-z_][\w.]*)(?:=(?P<segments>[^{}]+))?\}")
_LITERAL = re.compile(r"[A-Za-z0-9._~-]+")


class Variable(NamedTuple):
    """A field that the path fills: its segments are literals, and parameters of the route as `{name}`."""

    field: str
    segments: tuple[str, ...]

    def value(self, parameters: Mapping[str, str]) -> str:
        """What the path says for this field."""
        return "/".join(parameters[s[1:-1]] if s.startswith("{") else s for s in self.segments)


class PathTemplate(NamedTuple):
    """`route` is the path for Starlette; `variables` say which fields its parameters fill."""

    route: str
    variables: tuple[Variable, ...]


def parse_path(template: str) -> PathTemplate:
    """Read a template. Raises ValueError for one that breaks the grammar."""
    if not template.startswith("/"):
        raise ValueError(f"{template!r}: a path template starts with /")
    variables: list[Variable] = []

    def routed(match: re.Match[str]) -> str:
        name, segments = match["field"].replace(".", "_"), (match["segments"] or "*").split("/")
        parts = [_routed(s, f"{name}_{i}" if len(segments) > 1 else name) for i, s in enumerate(segments)]
        variables.append(Variable(match["field"], tuple(part.replace(":path", "") for part in parts)))
        return "/".join(parts)

    path, _, verb = template.rpartition(":") if re.search(r":[^/{}=]+$", template) else (template, "", "")
    route = _VARIABLE.sub(routed, path) + (f":{verb}" if verb else "")
    literal = re.sub(r"\{[A-Za-z_]\w*(:path)?\}", "x", route)
    if not all(_LITERAL.fullmatch(part) for part in re.split("[/:]", literal[1:])):
        raise ValueError(f"{template!r} isn't a path template of google.api.http that is supported here")
    return PathTemplate(route, tuple(variables))


def _routed(segment: str, name: str) -> str:
    if segment == "*":
        return f"{{{name}}}"
    return f"{{{name}:path}}" if segment == "**" else segment
