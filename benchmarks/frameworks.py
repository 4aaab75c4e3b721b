"""The article's framework table for Python, measured: the same route in each framework, on this machine.

`python -m benchmarks.frameworks [--json] [--rounds 5] [--seconds 2] [--only NAME…] [--on SERVER…]`. A path
parameter in, JSON out, through FastAPI, Starlette, Litestar, BlackSheep and no framework at all, each on
uvicorn (httptools, uvloop) and on granian (uvloop), aiohttp on its own server, and Gin where Go is on PATH;
one worker each, Gin on one core and on all. Load comes from wrk or bombardier where they are on PATH, else
from a process of ours.

All servers run during all rounds, one of them under load at a time, each in its turn, so that what else the
machine does meets them all. `server_cores` tells whether the server was the bottleneck: near 1 it was
(granian has threads beside Python's), far below it the load generator was, and the server can do more.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.figures import add_options, publish
from benchmarks.gin.build import GinUnavailable, build_gin
from benchmarks.load import CONNECTIONS, Load, generator
from benchmarks.rounds import Sample, Way, interleaved, middle
from benchmarks.serving import all_served, python, served

__all__ = ["Contender", "Row", "contenders", "gin", "measure"]

PATH = "/users/7"
GIN = "Gin (Go)"
UVICORN = ("--http", "httptools", "--loop", "uvloop", "--no-access-log", "--log-level", "warning")
GRANIAN = ("--interface", "asgi", "--workers", "1", "--loop", "uvloop", "--no-ws", "--log-level", "warning")
ASGI = {
    "bare ASGI": "bare_asgi",
    "Starlette": "starlette_app",
    "FastAPI": "fastapi_app",
    "Litestar": "litestar_app",
    "BlackSheep": "blacksheep_app",
}


@dataclass(frozen=True)
class Contender:
    """A framework on a server, and how to start it."""

    framework: str
    server: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As a table's line has it."""
        return f"{self.framework} on {self.server}"


@dataclass(frozen=True)
class Row:
    """One contender; medians of the rounds, with the rounds' extremes in requests a second."""

    framework: str
    server: str
    per_second: float
    low: float
    high: float
    p50_ms: float
    p99_ms: float
    memory_mb: float
    server_cores: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load, each time")
    parser.add_argument("--only", nargs="+", metavar="NAME", help='frameworks, such as FastAPI "bare ASGI"')
    parser.add_argument("--on", nargs="+", metavar="SERVER", help='servers, such as uvicorn or "its own"')
    parser.add_argument("--go-seconds", type=float, default=300, help="how long Gin's first build may take")
    options = parser.parse_args()
    notes = [f"load from {generator(options.seconds)}, {CONNECTIONS} connections"]
    with tempfile.TemporaryDirectory() as folder:
        found = list(contenders())
        if not options.only or GIN in options.only:
            try:
                found += gin(build_gin(Path(folder), options.go_seconds))
            except GinUnavailable as error:
                notes.append(f"Gin is left out: {error}")
        chosen = [each for each in found if each.framework in (options.only or [each.framework])]
        chosen = [each for each in chosen if each.server in (options.on or [each.server])]
        rows = list(measure(chosen, options.rounds, options.seconds))
    publish(rows, options, notes=notes)


def contenders() -> Iterator[Contender]:
    """Python's."""
    for framework, module in ASGI.items():
        app = f"benchmarks.contenders.{module}:app"
        lifespan = ("--lifespan", "off") if framework == "bare ASGI" else ()
        yield Contender(framework, "uvicorn", python("uvicorn", app, "--port", "{port}", *UVICORN, *lifespan))
        interface = ("--interface", "asginl") if lifespan else ()
        yield Contender(
            framework, "granian", python("granian", app, "--port", "{port}", *GRANIAN, *interface)
        )
    yield Contender("aiohttp", "its own", python("benchmarks.contenders.aiohttp_app", "{port}"))


def gin(program: Path) -> Iterator[Contender]:
    """Gin, on as many cores as a Python process uses, and on as many as there are."""
    yield Contender(GIN, "its own, 1 core", [str(program), "{port}"], {"GOMAXPROCS": "1"})
    yield Contender(GIN, "its own, all cores", [str(program), "{port}"])


def measure(chosen: Sequence[Contender], rounds: int, seconds: float) -> Iterator[Row]:
    """One row a contender, in the order given. Raises RuntimeError when one can't run or fails requests."""
    with ExitStack() as running:
        servers = all_served(running, {each.name: served(each.command, PATH, each.env) for each in chosen})
        ways = {name: Way(server, Load(server.url + PATH, seconds)) for name, server in servers.items()}
        for contender, own in zip(chosen, interleaved(ways, rounds).values(), strict=True):
            yield _row(contender, own)


def _row(contender: Contender, samples: Sequence[Sample]) -> Row:
    rates = [each.measured.per_second for each in samples]
    return Row(
        framework=contender.framework,
        server=contender.server,
        per_second=round(median(rates)),
        low=round(min(rates)),
        high=round(max(rates)),
        p50_ms=middle(samples, lambda each: each.measured.p50_ms),
        p99_ms=middle(samples, lambda each: each.measured.p99_ms),
        memory_mb=middle(samples, lambda each: each.memory_mb),
        server_cores=middle(samples, lambda each: each.cores),
    )


if __name__ == "__main__":
    main()
