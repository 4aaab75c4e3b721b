"""What finding a route costs: a list that is tried in order, against a tree, with few routes and with many.

`python -m benchmarks.route_matching [--json] [--only WAY…]`. One request through each app, called in this
process without a server, for the route that was added last: the median of rounds in processor time, which
other work on the machine changes little. What grows from the first to the last column is the search alone.
About 5 s.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.figures import add_options, publish

__all__ = ["Row", "measure"]

FEW, MANY = 10, 1000
ROUNDS, CALLS = 5, 20

App = Callable[..., Any]


@dataclass(frozen=True)
class Row:
    """Microseconds of processor time for one request, by the number of routes."""

    what: str
    few_us: float
    many_us: float


async def _answer(item_id: str) -> str:
    return item_id


def in_a_list(routes: int) -> App:
    """FastAPI, all routes in one list: each is a pattern that is tried."""
    from fastapi import FastAPI

    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    for number in range(routes):
        app.get(f"/group-{number}/{{item_id}}")(_answer)
    return app


def in_starlettes_list(routes: int) -> App:
    """Starlette, on which FastAPI builds: the same list without FastAPI's own bookkeeping."""

    async def answer(request: Request) -> JSONResponse:
        return JSONResponse(request.path_params["item_id"])

    return Starlette(routes=[Route(f"/group-{number}/{{item_id}}", answer) for number in range(routes)])


def in_a_tree(routes: int) -> App:
    """Litestar: paths are a tree, walked part by part, as a radix tree is letter by letter."""
    from litestar import Litestar, get  # here, as a chapter measures one way and waits for it

    paths = [f"/group-{number}/{{item_id:str}}" for number in range(routes)]
    return Litestar([get(paths)(_answer)], openapi_config=None)


async def _request_us(app: App, path: str) -> float:
    """The median over rounds of one request's processor time in microseconds."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "server": ("127.0.0.1", 8080),
        "client": ("127.0.0.1", 50000),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
        "asgi": {"version": "3.0"},
    }
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(CALLS):
            await app(dict(scope), receive, send)
        rounds.append((time.process_time() - started) / CALLS * 1e6)
    if set(statuses) != {200}:
        raise RuntimeError(f"{path} was answered with {sorted(set(statuses))}")
    return statistics.median(rounds)


WAYS: Final[Mapping[str, Callable[[int], App]]] = {
    "FastAPI, a list": in_a_list,
    "Starlette, a list": in_starlettes_list,
    "Litestar, a tree": in_a_tree,
}


def measure(ways: Iterable[str] = tuple(WAYS)) -> list[Row]:
    """A row a way to keep routes."""

    async def rows() -> list[Row]:
        return [
            Row(way, *[round(await _request_us(WAYS[way](n), f"/group-{n - 1}/7"), 1) for n in (FEW, MANY)])
            for way in ways
        ]

    return asyncio.run(rows())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--only", nargs="+", choices=WAYS, default=tuple(WAYS), metavar="WAY")
    options = parser.parse_args()
    publish(measure(options.only), options)


if __name__ == "__main__":
    main()
