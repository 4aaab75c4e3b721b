"""Manifests checked without a cluster, by the OpenAPI schemas that a control plane publishes of its kinds.

The document kept in deploy/ is plain JSON Schema. `python -m workbook_lib.lab.kubernetes.schemas` writes it
anew, from a control plane of its own and for the kinds that deploy/ has.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jsonschema  # type: ignore[import-untyped]

from workbook_lib.lab.kubernetes.client import kubectl
from workbook_lib.lab.kubernetes.manifests import render
from workbook_lib.lab.lab import Lab

__all__ = ["Kind", "kinds_of", "problems", "published", "schema_file", "schema_of"]

_KEPT = ("type", "format", "enum", "required", "items", "additionalProperties", "oneOf")
_REFERENCE = "#/components/schemas/"

Schema: TypeAlias = dict[str, Any]


class Kind(NamedTuple):
    """A kind of object in a version of its API, e.g. `Kind("apps/v1", "Deployment")`."""

    api: str
    name: str


def kinds_of(manifests: Iterable[Mapping[str, Any]]) -> list[Kind]:
    """The kinds that are among these objects."""
    return sorted({Kind(each["apiVersion"], each["kind"]) for each in manifests})


def schema_file(root: Path) -> Path:
    """Where a project keeps the schema of its manifests."""
    (file,) = (root / "deploy" / "kubernetes" / "schemas").glob("kubernetes-*.json")
    return file


async def published(lab: Lab, kinds: Iterable[Kind]) -> Schema:
    """The schema of these kinds as the lab's control plane publishes it. Raises `CommandFailed`."""
    wanted = list(kinds)
    documents = {}
    for api in sorted({kind.api for kind in wanted}):
        path = f"/openapi/v3/{'apis' if '/' in api else 'api'}/{api}"
        documents[api] = json.loads((await kubectl(lab, "get", "--raw", path)).text)
    return schema_of(documents, wanted)


def schema_of(documents: Mapping[str, Schema], kinds: Iterable[Kind]) -> Schema:
    """One JSON Schema for objects of these kinds, from the OpenAPI documents of their APIs.

    It is as strict as `kubectl apply --validate=strict`: a field that Kubernetes doesn't know is an error.
    What only explains, or only matters to a merge, is left out. Raises KeyError for a kind that isn't there.
    """
    definitions: Schema = {}
    choices = []
    for kind in sorted(kinds):
        schemas = documents[kind.api]["components"]["schemas"]
        name = _definition(schemas, kind)
        _collect(schemas, name, definitions)
        choices.append(
            {
                "if": {"required": ["kind"], "properties": {"kind": {"const": kind.name}}},
                "then": {"$ref": f"#/$defs/{name}", "properties": {"apiVersion": {"const": kind.api}}},
            }
        )
    version = next(iter(documents.values()))["info"]["version"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Kubernetes {version}",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "properties": {"kind": {"enum": sorted(kind.name for kind in kinds)}},
        "allOf": choices,
        "$defs": dict(sorted(definitions.items())),
    }


def problems(manifest: Mapping[str, Any], schema: Schema) -> list[str]:
    """What is wrong with an object, each with its place in it; nothing when it is valid."""
    found = []
    for error in jsonschema.Draft202012Validator(schema).iter_errors(manifest):
        deepest = jsonschema.exceptions.best_match([error]) or error
        found.append(f"{deepest.json_path}: {deepest.message}")
    return sorted(found)


def _definition(schemas: Schema, kind: Kind) -> str:
    group, _, version = kind.api.rpartition("/")
    wanted = {"group": group, "version": version, "kind": kind.name}
    for name, schema in schemas.items():
        if wanted in schema.get("x-kubernetes-group-version-kind", ()) and "properties" in schema:
            return str(name)
    raise KeyError(f"there is no {kind.name} in {kind.api}")


def _collect(schemas: Schema, name: str, into: Schema) -> None:
    """The definition of that name, and each that it refers to."""
    if name in into:
        return
    into[name] = {}  # some refer to themselves
    into[name] = _trimmed(schemas[name], schemas, into)


def _trimmed(schema: Schema, schemas: Schema, into: Schema) -> Schema:
    for referring in [schema, *schema.get("allOf", ())]:
        if "$ref" in referring:  # alone in an allOf where a description stands beside it
            name = referring["$ref"].removeprefix(_REFERENCE)
            _collect(schemas, name, into)
            return {"$ref": f"#/$defs/{name}"}
    kept = {key: schema[key] for key in _KEPT if key in schema}
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = _trimmed(kept[key], schemas, into)
    if "properties" in schema:
        inner = schema["properties"].items()
        kept["properties"] = {key: _trimmed(each, schemas, into) for key, each in inner}
        kept.setdefault("additionalProperties", False)
    return kept


async def _write() -> Path:
    async with Lab("schemas") as lab:
        await lab.start("kubernetes")
        folder = lab.root / "deploy" / "kubernetes"
        overlays = [await render(lab, overlay) for overlay in sorted((folder / "overlays").iterdir())]
        schema = await published(lab, kinds_of(each for overlay in overlays for each in overlay))
        file = folder / "schemas" / f"{schema['title'].lower().replace(' ', '-')}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(schema, indent=1) + "\n")
        return file


if __name__ == "__main__":
    print(asyncio.run(_write()))
