"""A collector that takes OTLP/HTTP and counts: `python -m benchmarks.stack.sink PORT`; GET / tells the spans.

It stands for Jaeger where none is given, so that exporting costs the service what it costs and the machine
little.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import uvicorn

__all__ = ["Sink"]


class Sink:
    """ASGI app: POST /v1/traces counts the spans of a JSON request and answers as a collector does."""

    def __init__(self) -> None:
        self.spans = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Answer one request."""
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.spans += body.count(b'"spanId":') - body.count(b'"links":')
        answer = b"{}" if scope["method"] == "POST" else json.dumps({"spans": self.spans}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(
        Sink(), port=int(sys.argv[1]), lifespan="off", ws="none", access_log=False, log_level="warning"
    )
