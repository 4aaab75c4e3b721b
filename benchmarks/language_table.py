"""The article's language table (build, deployment, standard library) with figures of this machine.

`python -m benchmarks.language_table [--json]`. The same small HTTP service three times: Python's standard
library alone, this project's `services.welcome`, and Go's standard library where `go` is on PATH. About 10 s;
the first Go build on a machine compiles Go's own HTTP library too and takes longer.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from benchmarks.figures import add_options, publish
from workbook_lib.lab.ports import PortAllocator, PortRequest

START_SECONDS = 60.0
BUILD_SECONDS = 120.0
PROJECT = "microservices-workbook"

PYTHON_SERVICE = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Greeter(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Greeter).serve_forever()
"""

GO_SERVICE = """package main

import (
	"encoding/json"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"path": r.URL.Path})
	})
	http.ListenAndServe("127.0.0.1:"+os.Args[1], nil)
}
"""


@dataclass(frozen=True)
class Row:
    """One way to build and run the service; `build_seconds` is a rebuild after a change of one line."""

    what: str
    build_seconds: float
    deploy_mb: float
    start_seconds: float
    idle_mb: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = list(measure(Path(folder)))
    publish(rows, options)


def measure(folder: Path) -> Iterator[Row]:
    """One row a way; Go's only where `go` is on PATH."""
    interpreter_mb = _interpreter_mb()
    source = folder / "greeter.py"
    source.write_text(PYTHON_SERVICE)
    build = _timed([sys.executable, "-m", "py_compile", str(source)])
    with _started([sys.executable, str(source)]) as (start, idle):
        yield Row("Python, standard library", build, interpreter_mb, start, idle)

    with _started([sys.executable, "-m", "services.welcome", "--port"]) as (start, idle):
        yield Row("Python, services.welcome", build, interpreter_mb + _dependencies_mb(), start, idle)

    if shutil.which("go"):
        yield _go(folder)


def _go(folder: Path) -> Row:
    source = folder / "main.go"
    source.write_text(GO_SERVICE)
    program = folder / "greeter"
    command = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(program), str(source)]
    _timed(command)  # compiles the standard library on a machine that never did
    source.write_text(GO_SERVICE.replace('"path"', '"asked"'))
    build = _timed(command)
    with _started([str(program)]) as (start, idle):
        return Row("Go, standard library", build, program.stat().st_size / 1e6, start, idle)


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    environment = os.environ | {"CGO_ENABLED": "0"}
    subprocess.run(command, check=True, timeout=BUILD_SECONDS, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


@contextmanager
def _started(command: list[str]) -> Iterator[tuple[float, float]]:
    """Run a service on a free port; give the seconds to its first answer, and its resident memory in MB."""
    reserved = PortAllocator().reserve(PortRequest("service"))
    reserved.hand_over()
    ours = ("OTEL_", "CONSUL_", "WELCOME_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, str(reserved.port)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _first_answer(process, f"http://127.0.0.1:{reserved.port}/hello", began + START_SECONDS)
        start = time.perf_counter() - began
        yield start, psutil.Process(process.pid).memory_info().rss / 1e6
    finally:
        process.kill()
        process.wait()
        reserved.release()


def _first_answer(process: subprocess.Popen[bytes], url: str, deadline: float) -> None:
    while process.poll() is None and time.perf_counter() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - always http on loopback
                answer.read()
                return
        except (urllib.error.URLError, ConnectionError):
            _pause(process)
    raise RuntimeError(f"{process.args!r} gave no answer")


def _pause(process: subprocess.Popen[bytes]) -> None:
    """5 ms, or less when the process ends."""
    try:
        process.wait(timeout=0.005)
    except subprocess.TimeoutExpired:
        return


def _interpreter_mb() -> float:
    """Interpreter and standard library, without tests and caches."""
    library = Path(os.__file__).parent
    skipped = {"site-packages", "test", "tests", "__pycache__", "idlelib", "ensurepip"}
    files = (file for file in library.rglob("*") if file.is_file() and not skipped & set(file.parts))
    return (sum(file.stat().st_size for file in files) + Path(sys.executable).resolve().stat().st_size) / 1e6


def _dependencies_mb() -> float:
    """Everything that a service of this project installs beside itself."""
    waiting, seen, total = [PROJECT], set(), 0
    while waiting:
        name = waiting.pop()
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # only needed on another platform
        if distribution.name in seen:
            continue
        seen.add(distribution.name)
        if name != PROJECT:
            places = (Path(str(file.locate())) for file in distribution.files or [])
            total += sum(place.stat().st_size for place in places if place.is_file())
        for text in distribution.requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return total / 1e6


if __name__ == "__main__":
    main()
