"""Small Python projects, written, built and spoilt from a cell: what a chapter on dependencies works with."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from workbook_lib.lab import command

__all__ = ["offline", "release", "tamper", "write"]

# uv builds projects of its own backend itself, without an environment and without a network.
PROJECT: Final = """\
[project]
name = "{name}"
version = "{version}"
requires-python = ">=3.11"
dependencies = [{requires}]

[build-system]
requires = ["uv_build"]
build-backend = "uv_build"
"""
NOWHERE: Final = "http://127.0.0.1:9"  # the discard port, on which nobody listens
PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


def write(
    folder: Path, code: str, *, name: str = "", version: str = "0.1.0", requires: Sequence[str] = ()
) -> Path:
    """Write a project with one package, named like its folder unless told otherwise, and return the folder.

    What stands there is written over, so a cell can change a project by writing it again.
    """
    name = name or folder.name
    package = folder / "src" / name.replace("-", "_")
    package.mkdir(parents=True, exist_ok=True)
    quoted = ", ".join(f'"{requirement}"' for requirement in requires)
    (folder / "pyproject.toml").write_text(PROJECT.format(name=name, version=version, requires=quoted))
    (package / "__init__.py").write_text(code)
    return folder


def release(index: Path, name: str, version: str, code: str, *, requires: Sequence[str] = ()) -> Path:
    """Build one version of a package into `index`, a folder that installers read with --find-links.

    Returns the wheel. Raises `CommandFailed` when it can't be built.
    """
    with tempfile.TemporaryDirectory() as folder:
        project = write(Path(folder) / name, code, version=version, requires=requires)
        command.run("uv", "build", "--quiet", "--offline", "--wheel", "--out-dir", index.resolve(), project)
    return next(index.glob(f"{name.replace('-', '_')}-{version}-*.whl"))


def tamper(wheel: Path, module: str, added: str) -> None:
    """Add code to a module of a wheel as an attacker would: same file name, its own list of hashes corrected.

    The list (RECORD) lies in the wheel itself, so it protects against damage and not against intent.
    """
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    before = files[module]
    files[module] = before + added.encode()
    record = next(name for name in files if name.endswith(".dist-info/RECORD"))
    entry = f"{module},{_record_hash(before)},{len(before)}".encode()
    if entry not in files[record]:
        raise ValueError(f"{wheel.name} doesn't list {module} as expected")
    corrected = f"{module},{_record_hash(files[module])},{len(files[module])}".encode()
    files[record] = files[record].replace(entry, corrected)
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def offline(cache: Path) -> dict[str, str]:
    """An environment in which uv and pip reach no network and know no index: an attempt fails at once.

    Proxies lead to a port that nobody listens on; configuration files and other find-links are left out;
    `cache` takes the place of the user's, so that nothing comes from an earlier installation either. The
    Python is this one.
    """
    return {
        **dict.fromkeys(PROXIES, NOWHERE),
        "NO_PROXY": "",
        "no_proxy": "",
        "UV_CACHE_DIR": str(cache),
        "UV_HTTP_RETRIES": "0",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON": sys.executable,
        "PIP_CACHE_DIR": str(cache / "pip"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0",
    }


def _record_hash(content: bytes) -> str:
    """A hash as RECORD writes it (PEP 376, PEP 427): URL-safe base64 without padding."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return "sha256=" + digest.rstrip(b"=").decode()
