"""Generates the stubs of every `.proto` beside it: `python -m services.contracts.generate` (dev extra)."""

import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

__all__ = ["generate"]

_CONTRACTS = Path(__file__).resolve().parent
_ROOT = _CONTRACTS.parent.parent


def generate(target: Path = _ROOT) -> list[Path]:
    """Write messages, stubs and their types below `target`; return the files.

    Raises RuntimeError, with protoc's own words, when a `.proto` is wrong.
    """
    protos = sorted(str(path.relative_to(_ROOT)) for path in _CONTRACTS.glob("*.proto"))
    plugin = Path(sysconfig.get_path("scripts")) / "protoc-gen-mypy_grpc"
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python", "mypy_grpc")]
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"--plugin=protoc-gen-mypy_grpc={plugin}",
        "-I.",
        f"-I{_googleapis()}",
    ]
    done = subprocess.run(
        [*command, *outputs, *protos], cwd=_ROOT, check=False, timeout=60, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return sorted((target / "services" / "contracts").glob("*_pb2*.py*"))


def _googleapis() -> Path:
    """The folder above google/api/annotations.proto, which googleapis-common-protos installs."""
    found = find_spec("google.api")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError("googleapis-common-protos isn't installed")
    return Path(next(iter(found.submodule_search_locations))).parents[1]


if __name__ == "__main__":
    for written in generate():
        sys.stdout.write(f"{written.relative_to(_ROOT)}\n")
