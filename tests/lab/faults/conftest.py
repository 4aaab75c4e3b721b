"""A lab of its own for every test: what is broken here belongs to nobody else."""

import os

import pytest

from workbook_lib.lab import Lab

# Says who it is at /health; has a child, as servers with workers do, whose process id is its other answer.
WORKER = "import time; time.sleep(600)"
SERVICE = f"""
import http.server, json, os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {WORKER!r}], start_new_session=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        who = {{"service": "echo-service", "instance": os.environ["ECHO_INSTANCE"], "child": child.pid}}
        self.send_response(200); self.end_headers(); self.wfile.write(json.dumps(who).encode())
    def do_POST(self):
        os._exit(3)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["ECHO_PORT"])), Handler).serve_forever()
"""


@pytest.fixture(autouse=True)
def own_servers(monkeypatch):
    for variable in [name for name in os.environ if name.endswith(("_ADDR", "_SERVERS", "_URL"))]:
        monkeypatch.delenv(variable)


@pytest.fixture
async def echo(tmp_path, marked, until):
    """A lab in which `echo` runs."""
    folder = tmp_path / "services" / "echo"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "__init__.py").touch()
    (folder / "__main__.py").write_text(SERVICE)
    (folder / "service.toml").write_text('service = "echo-service"\nport = 8085\n')
    async with Lab("3.3", root=tmp_path) as lab:
        await lab.start("echo")
        yield lab
    until(lambda: not marked.pids(), 10, "echo and its child ended")


@pytest.fixture
async def lab(tmp_path):
    """A lab for the project's own services."""
    async with Lab("3.3", root=tmp_path) as lab:
        yield lab
