"""Many small processes that answer GET /health with their process id, each on a port of its own.

Run by `lab.crowd` as a script, so that none of them imports more than Python's own HTTP server.
"""

import contextlib
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

__all__ = ["main"]


class _Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = str(os.getpid()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing: there is a question a second for each."""


def main(ports: list[int]) -> None:
    """Be the parent of a process for each port, until SIGTERM."""
    children = [child for port in ports if (child := _serving(port))]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while True:
            os.waitpid(-1, 0)  # who was killed is no zombie
    except ChildProcessError:
        signal.pause()
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def _serving(port: int) -> int:
    child = os.fork()
    if not child:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        HTTPServer(("127.0.0.1", port), _Health).serve_forever()
    return child


if __name__ == "__main__":
    main([int(port) for port in sys.argv[1:]])
