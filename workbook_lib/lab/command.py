"""Run a program to its end from a cell, as a reader would type it in a terminal."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CommandFailed", "Output", "run"]


class CommandFailed(RuntimeError):
    """A program ended with another exit code than was expected, or not in time."""


@dataclass(frozen=True)
class Output:
    """What a program printed (stdout and stderr together, in order), its exit code, and how long it took."""

    command: str
    text: str
    exit_code: int
    seconds: float

    def __str__(self) -> str:
        return f"$ {self.command}\n{self.text}".rstrip()

    __repr__ = __str__

    def expected(self, exit_code: int) -> Output:
        """Itself. Raises `CommandFailed` with everything printed when it ended with another exit code."""
        if self.exit_code != exit_code:
            raise CommandFailed(f"{self}\nexit code {self.exit_code}, expected {exit_code}")
        return self


def run(
    *argv: str | Path,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    timeout_seconds: float = 60.0,
    expect: int = 0,
) -> Output:
    """Run a program in `cwd` (default: here) and return its output.

    Programs of this Python's own environment (`uv`, `python`, …) are found first, as if it were
    activated; `env` is added to the environment. Raises `CommandFailed` with everything printed when
    the exit code isn't `expect` or `timeout_seconds` have passed.
    """
    command = shlex.join(str(arg) for arg in argv)
    started = time.monotonic()
    try:
        done = subprocess.run(
            [str(arg) for arg in argv],
            cwd=cwd,
            env=_environment() | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError:
        raise CommandFailed(f"$ {command}\nthere is no program named {argv[0]} on PATH") from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"$ {command}\nnot done after {timeout_seconds:g} s") from None
    return Output(command, done.stdout, done.returncode, time.monotonic() - started).expected(expect)


def _environment() -> dict[str, str]:
    """The environment of an activated shell: our programs first, no trace of another environment, no colours.

    A notebook's kernel asks programs for colours and a moving display, which a file or a page can't show.
    """
    left_out = ("VIRTUAL_ENV", "PYTHONHOME", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE")
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    env |= {"NO_COLOR": "1", "TERM": "dumb"}
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
    return env
