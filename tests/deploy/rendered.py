"""The overlays as kubectl renders them."""

import subprocess
from functools import cache
from typing import Any

import yaml

from tests.structure import rules
from workbook_lib.lab import provision

__all__ = ["EVERY_OVERLAY", "FOLDER", "OVERLAYS", "kubectl", "objects"]

FOLDER = rules.ROOT / "deploy" / "kubernetes"
OVERLAYS = ("dev", "staging", "prod")
EVERY_OVERLAY = (*OVERLAYS, "edge")
"""With the one that isn't of every service."""


@cache
def kubectl() -> str:
    """The program, which comes with the control plane or alone."""
    found = provision.find("kubectl") or provision.provision("kubectl", report=print)
    return str(found.path)


@cache
def objects(overlay: str) -> list[dict[str, Any]]:
    """Every object of an overlay."""
    command = [kubectl(), "kustomize", str(FOLDER / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))
