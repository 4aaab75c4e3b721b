"""Load from outside Python where there is such a program: wrk, else bombardier, else processes of our own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

__all__ = ["CONNECTIONS", "PROGRAMS", "Load", "Measured", "generating", "generator", "run"]

CONNECTIONS = 32
END_SECONDS = 20.0


@dataclass(frozen=True)
class Load:
    """The same request on all connections, the next when its answer has come: a GET, or a POST of `body`."""

    url: str
    seconds: float = 2.0
    connections: int = CONNECTIONS
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers given, and the type of a body."""
        return {**self.headers, **({} if self.body is None else {"Content-Type": "application/json"})}


@dataclass(frozen=True)
class Measured:
    """What came of it. `failures` are answers of 400 and above, and connections that broke."""

    requests: int
    seconds: float
    failures: int
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return self.requests / self.seconds


def generator(seconds: float) -> str:
    """The best load generator of this machine for a load of that length: wrk counts in whole seconds."""
    found = (name for name in PROGRAMS if shutil.which(name))
    return "ours" if seconds < 1 else next(found, "ours")


def run(load: Load, by: str | None = None) -> Measured:
    """Drive a load and wait for its end. Raises RuntimeError when the generator fails."""
    with generating(by or generator(load.seconds)) as drive:
        return drive(load)


@contextmanager
def generating(by: str) -> Iterator[Callable[[Load], Measured]]:
    """A generator that is ready: one of our own starts once for all loads inside the block."""
    if by != "ours":
        yield partial(_once, PROGRAMS[by])
        return
    command = [sys.executable, "-m", "benchmarks.generator"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield partial(_ours, process)
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Close its input, which ends it and its processes; else end them all."""
    with suppress(OSError):  # it may have ended before it had read everything
        if process.stdin is not None:
            process.stdin.close()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def _once(program: Callable[[Load, Path], Measured], load: Load) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body.json"
        if load.body is not None:
            body.write_bytes(load.body)
        return program(load, body)


def _wrk(load: Load, body: Path) -> Measured:
    script = body.with_name("request.lua")
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in load.all_headers.items()]
    if load.body is not None:
        lines += ['wrk.method = "POST"', f'wrk.body = io.open("{body}"):read("*a")']
    script.write_text("\n".join([*lines, _WRK_REPORT]))
    # wrk takes whole seconds only.
    limits = ["-t", "1", "-c", str(load.connections), "-d", f"{max(1, round(load.seconds))}s"]
    printed = _printed(["wrk", *limits, "-s", str(script), load.url], load.seconds)
    return Measured(**json.loads(printed.rsplit("\n", 2)[-2]))


_WRK_REPORT = """
done = function(summary, latency)
  local e = summary.errors
  local failures = e.connect + e.read + e.write + e.timeout + e.status
  io.write(string.format('{"requests": %d, "seconds": %f, "failures": %d, "p50_ms": %f, "p99_ms": %f}\\n',
    summary.requests - e.status, summary.duration / 1e6, failures,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


def _bombardier(load: Load, body: Path) -> Measured:
    command = [
        "bombardier",
        "-c",
        str(load.connections),
        "-d",
        f"{load.seconds:g}s",
        "-l",
        "-p",
        "r",
        "-o",
        "json",
    ]
    for name, value in load.all_headers.items():
        command += ["-H", f"{name}: {value}"]
    if load.body is not None:
        command += ["-m", "POST", "-f", str(body)]
    result = json.loads(_printed([*command, load.url], load.seconds))["result"]
    good = result["req1xx"] + result["req2xx"] + result["req3xx"]
    failures = result["req4xx"] + result["req5xx"] + result["others"]
    latency = result["latency"]["percentiles"]
    return Measured(good, result["timeTakenSeconds"], failures, latency["50"] / 1000, latency["99"] / 1000)


def _ours(process: subprocess.Popen[str], load: Load) -> Measured:
    order = {
        "url": load.url,
        "seconds": load.seconds,
        "connections": load.connections,
        "headers": load.all_headers,
        "body": None if load.body is None else load.body.decode(),
    }
    if process.stdin is None or process.stdout is None:
        raise ValueError("the generator is spoken to through pipes")
    bound = threading.Timer(load.seconds + END_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
    bound.start()
    try:
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
    finally:
        bound.cancel()
    figures = json.loads(answer) if answer else {"error": "the generator ended, or took too long"}
    if "error" in figures:
        raise RuntimeError(f"{load.url}: {figures['error']}")
    return Measured(**figures)


PROGRAMS: dict[str, Callable[[Load, Path], Measured]] = {"wrk": _wrk, "bombardier": _bombardier}


def _printed(command: Sequence[str], seconds: float) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=seconds + END_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}"[-1000:])
    return done.stdout
