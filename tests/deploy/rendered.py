"""The overlays as kubectl renders them."""

import subprocess
from functools import cache
from typing import Any

import yaml

from tests.structure import rules
from workbook_lib.lab import provision

__all__ = ["OVERLAYS", "kubectl", "objects"]

FOLDER = rules.ROOT / "deploy" / "kubernetes"
OVERLAYS = ("dev", "staging", "prod")


@cache
def kubectl() -> str:
    """The program that comes with the control plane."""
    found = provision.find("kubernetes") or provision.provision("kubernetes", report=print)
    return str(found.path.with_name("kubectl"))


@cache
def objects(overlay: str) -> list[dict[str, Any]]:
    """Every object of an overlay."""
    command = [kubectl(), "kustomize", str(FOLDER / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))
