"""Manifests as a chapter applies them: rendered by kustomize, only of the services that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from workbook_lib.lab.command import Output
from workbook_lib.lab.kubernetes.client import kubectl
from workbook_lib.lab.lab import Lab

__all__ = ["Manifests", "apply", "render"]

# Where it can be had, libyaml's: ten times as fast, and an overlay has three thousand lines.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OF_ALL = ("Namespace", "ConfigMap", "Secret")


class Manifests(list[dict[str, Any]]):
    """Objects as in a YAML file; shown as one."""

    def of(self, *services: str, kinds: Iterable[str] = ()) -> Manifests:
        """Those named after these services, and what all services share; only of `kinds` if there are any."""
        names = {name for service in services for name in (service, f"{service}-node-port")}
        wanted = set(kinds)
        return Manifests(
            each
            for each in self
            if (each["kind"] in _OF_ALL or each["metadata"]["name"] in names)
            and (not wanted or each["kind"] in wanted)
        )

    def kind(self, kind: str) -> Manifests:
        """Those of one kind."""
        return Manifests(each for each in self if each["kind"] == kind)

    def __repr__(self) -> str:
        return yaml.safe_dump_all(self, sort_keys=False)

    def __str__(self) -> str:
        return ", ".join(f"{each['kind']} {each['metadata']['name']}" for each in self)


async def render(lab: Lab, overlay: Path) -> Manifests:
    """What `kubectl kustomize` makes of an overlay. Raises CommandFailed."""
    return Manifests(yaml.load_all((await kubectl(lab, "kustomize", overlay)).text, Loader=_LOADER))


async def apply(lab: Lab, documents: Iterable[Mapping[str, Any]], name: str = "applied") -> Output:
    """`kubectl apply` them, from a file of this name in the run's folder. Raises CommandFailed."""
    file = lab.folder / "manifests" / f"{name}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.safe_dump_all([dict(each) for each in documents], sort_keys=False))
    return await kubectl(lab, "apply", "-f", file)
