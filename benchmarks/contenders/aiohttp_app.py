"""aiohttp, no ASGI app, with its own server: `python -m benchmarks.contenders.aiohttp_app PORT`."""

from __future__ import annotations

import sys

import uvloop
from aiohttp import web

from benchmarks.contenders.data import user


async def get_user(request: web.Request) -> web.Response:
    """The route."""
    return web.json_response(user(int(request.match_info["user_id"])))


if __name__ == "__main__":
    served = web.Application()
    served.add_routes([web.get(r"/users/{user_id:\d+}", get_user)])
    loop = uvloop.new_event_loop()
    web.run_app(served, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, loop=loop)
