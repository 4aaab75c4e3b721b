"""Building the services' image where a container engine works; elsewhere the cell says why none is built."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workbook_lib.lab import command
from workbook_lib.lab.optional import show_skipped

__all__ = ["Image", "build_image", "find_engine"]

_ENGINES: Final = ("docker", "podman", "buildah")
_ASK_SECONDS = 10.0


@dataclass(frozen=True)
class Image:
    """An image that was built: its size, and how long it took."""

    tag: str
    mb: float
    seconds: float


def find_engine() -> str | None:
    """The first of docker, podman and buildah that works; it isn't enough that it is installed.

    Where none does the cell shows that, and what each said; None.
    """
    reasons = []
    for name in _ENGINES:
        if shutil.which(name) is None:
            reasons.append(f"{name} isn't installed")
            continue
        try:
            command.run(name, "info", timeout_seconds=_ASK_SECONDS)
        except command.CommandFailed as error:
            reasons.append(f"{name} doesn't work ({_last_words(error)})")
        else:
            return name
    show_skipped(["the image"], f"No container engine works here: {'; '.join(reasons)}.")
    return None


def build_image(
    engine: str, dockerfile: Path, context: Path, tag: str, *, timeout_seconds: float = 900
) -> Image:
    """Build an image and ask for its size. Raises `command.CommandFailed` with all that was printed."""
    started = time.monotonic()
    build = "bud" if engine == "buildah" else "build"
    command.run(engine, build, "--file", dockerfile, "--tag", tag, context, timeout_seconds=timeout_seconds)
    seconds = time.monotonic() - started
    listed = command.run(engine, "images", "--format", "json", tag, timeout_seconds=_ASK_SECONDS).text
    return Image(tag, round(_bytes(listed) / 1e6, 1), round(seconds, 1))


def _last_words(error: command.CommandFailed) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-2] if len(lines) > 2 and lines[-1].startswith("exit code") else lines[-1]


def _bytes(listed: str) -> float:
    """The size in a list of images: docker prints an object a line, podman and buildah an array."""
    images = json.loads(listed) if listed.lstrip().startswith("[") else [json.loads(listed.splitlines()[0])]
    size = images[0].get("Size", images[0].get("size"))
    if isinstance(size, int):
        return size
    number, unit = str(size).replace(" ", "").lower().rstrip("b"), 1.0
    factors = {"k": 1e3, "m": 1e6, "g": 1e9}
    if number[-1] in factors:
        number, unit = number[:-1], factors[number[-1]]
    return float(number) * unit
