"""No framework: what the server alone allows, with the JSON of the standard library."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.contenders.data import user


async def app(scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    """The route, and 404 for everything else."""
    head, _, number = scope["path"].rpartition("/")
    found = head == "/users" and number.isdigit()
    body = json.dumps(user(int(number))).encode() if found else b"{}"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
