"""A version of a service for trials: quick and right, but for the calls that it is told to spoil.

`POST /be {"version": …, "seed": …, "spoiled": {"slow": 0.01, …}}` tells it; `GET /answer` says which version
answered, and what. One that `dies` does so in the middle of a call, as a crash does.
"""

import asyncio
import os
from random import Random

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

__all__ = ["RIGHT", "SLOW_SECONDS", "app"]

RIGHT = 42
SLOW_SECONDS = 0.8

chance = Random(0)  # noqa: S311 - the same calls are spoiled in each run


async def be(request: Request) -> Response:
    """Become a version, good or bad."""
    told = await request.json()
    chance.seed(told["seed"])
    app.state.version, app.state.spoiled = told["version"], told["spoiled"]
    return Response(status_code=204)


async def answer(_: Request) -> Response:
    """An answer, spoiled in none, one or several ways."""
    ways = {way for way, share in app.state.spoiled.items() if chance.random() < share}
    if "dies" in ways:
        os._exit(1)
    if "slow" in ways:
        await asyncio.sleep(SLOW_SECONDS)
    if "failing" in ways:
        return JSONResponse({"code": "INTERNAL", "message": "failing"}, 500)
    return JSONResponse({"version": app.state.version, "value": RIGHT + ("wrong" in ways)})


async def health(_: Request) -> Response:
    """What Consul asks."""
    return Response("ok")


app = Starlette(
    routes=[
        Route("/", health),
        Route("/health", health),
        Route("/answer", answer),
        Route("/be", be, methods=["POST"]),
    ]
)
