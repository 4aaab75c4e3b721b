"""Starlette."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.contenders.data import user


async def get_user(request: Request) -> JSONResponse:
    """The route."""
    return JSONResponse(user(request.path_params["user_id"]))


app = Starlette(routes=[Route("/users/{user_id:int}", get_user)])
