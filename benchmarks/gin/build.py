"""Build the Go program beside this file with the `go` of this machine and the user's own Go caches."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["GinUnavailable", "build_gin"]

FIRST_BUILD_SECONDS = 300.0


class GinUnavailable(RuntimeError):
    """Gin can't be built here; the message says why."""


def build_gin(folder: Path, seconds: float = FIRST_BUILD_SECONDS) -> Path:
    """The program, built into `folder`; what an earlier build compiled isn't compiled again.

    Raises GinUnavailable without Go, when its module can't be had, or after `seconds`: what was compiled
    until then is kept by Go, and the next build goes on from there.
    """
    go = shutil.which("go")
    if go is None:
        raise GinUnavailable("there is no go on PATH")
    program = folder / "gin"
    # Without the codec for MessagePack, which takes as long to compile as all the rest.
    command = [go, "build", "-mod=readonly", "-tags", "nomsgpack", "-trimpath", "-o", str(program), "."]
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    try:
        subprocess.run(
            command,
            cwd=Path(__file__).parent,
            env=environment,
            check=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise GinUnavailable(
            f"its first build here takes longer than {seconds:g} s; the next one goes on from there"
        ) from None
    except subprocess.CalledProcessError as error:
        raise GinUnavailable(f"go build: {error.stderr.strip().splitlines()[-1:]}") from None
    return program
