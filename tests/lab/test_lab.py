"""A lab starts real servers and services, says where they are, and never leaves or hides a dead one."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from workbook_lib.lab import Handle, Lab, LabError, provision
from workbook_lib.lab.evidence import EvidenceTimeout, eventually
from workbook_lib.lab.ports import PortAllocator, PortRequest
from workbook_lib.lab.readiness import http_get
from workbook_lib.lab.run_folder import RUN_ID
from workbook_lib.lab.servers import SERVERS

SERVER_VARIABLES = (
    "CONSUL_HTTP_ADDR",
    "KAFKA_BOOTSTRAP_SERVERS",
    "REDIS_URL",
    "JAEGER_QUERY_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
)

# A whole service: says who it is at /health, and its environment anywhere else.
SERVICE = """
import http.server, json, os
port, who = int(os.environ["ECHO_PORT"]), os.environ["ECHO_INSTANCE"]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = {"service": "echo-service", "instance": who} if self.path == "/health" else dict(os.environ)
        self.send_response(200); self.end_headers(); self.wfile.write(json.dumps(body).encode())
print("listening", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture(autouse=True)
def own_servers(monkeypatch):
    for variable in SERVER_VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def root(tmp_path):
    """A project with one service of its own, `echo`."""
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").touch()
    add_service(tmp_path, "echo", SERVICE)
    return tmp_path


@pytest.fixture
async def lab(root, marked):
    async with Lab("3.2", root=root) as lab:
        yield lab
    assert not marked.pids()


def add_service(root: Path, name: str, code: str, needs: str = "[]", port: int = 8085) -> None:
    folder = root / "services" / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "__main__.py").write_text(code)
    (folder / "service.toml").write_text(f'service = "{name}-service"\nport = {port}\nneeds = {needs}\n')


async def get(url: str) -> httpx2.Response:
    """An answer, waited for more patiently than by a lab that asks whether somebody is ready."""
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        return await client.get(url)


async def answers(url: str, expected: bytes, edit: Callable[[], object]) -> None:
    """Edit a file until the restarted process answers so: an edit before its reloader looks is lost."""

    async def as_expected() -> bool:
        return (await get(url)).content == expected

    async with asyncio.timeout(60):
        while True:
            edit()
            with contextlib.suppress(EvidenceTimeout):
                await eventually(as_expected, 10, interval_seconds=0.05)
                return


def program(path: Path, code: str) -> str:
    """An executable that passes for a server when asked for its version."""
    version = "if 'version' in sys.argv[1]: sys.exit(print('v1.22.7'))"
    path.write_text(f"#!{sys.executable}\nimport sys\n{version}\n{code}")
    path.chmod(0o755)
    return str(path)


async def test_servers_come_up_together_and_show_where_they_are(lab, until):
    started = await lab.start("consul", "redis")
    assert [handle.name for handle in started] == ["consul", "redis"]
    leader = await get(f"{lab['consul'].url}/v1/status/leader")
    assert leader.status_code == 200
    assert len(leader.content) > 5
    dns = lab["consul"].environment["CONSUL_DNS_ADDR"]
    addresses = {"CONSUL_HTTP_ADDR": lab["consul"].url, "CONSUL_DNS_ADDR": dns, "REDIS_URL": lab["redis"].url}
    assert lab.environment == addresses
    assert lab["consul"].port("http") != lab["consul"].port("dns")
    for text in (repr(started), started._repr_html_()):
        assert str(lab["consul"].pid) in text
        assert lab["redis"].url in text
    assert lab["consul"].log_path.parent == lab.folder
    assert lab.handles == [lab["consul"], lab["redis"]]


@pytest.mark.alone
async def test_the_startup_of_kafka_consul_jaeger_and_redis_is_quick(lab):
    """The target is 3 s on an idle 2-core machine; this bound only notices a wait that was forgotten."""
    began = time.monotonic()
    await lab.start("consul", "kafka", "jaeger", "redis")
    assert time.monotonic() - began < 15


async def test_starting_again_leaves_what_runs_alone(lab):
    await lab.start("redis")
    pid = lab["redis"].pid
    await lab.start("redis", "redis")
    assert lab["redis"].pid == pid


async def test_two_labs_run_at_once_on_different_ports(lab, root):
    async with Lab("3.3", root=root) as other:
        await asyncio.gather(lab.start("consul"), other.start("consul"))
        assert lab["consul"].url != other["consul"].url
        for each in (lab, other):
            assert (await get(f"{each['consul'].url}/v1/status/leader")).status_code == 200


async def test_a_service_that_is_stopped_keeps_its_address_while_its_lab_lasts(lab, root):
    # Its well-known port is wanted by no other test: each may have it as soon as it is given back.
    add_service(root, "own", SERVICE.replace("ECHO", "OWN").replace("echo-", "own-"), port=18085)
    await lab.start("own")
    url = lab["own"].url
    await lab["own"].stop()
    async with Lab("3.3", root=root) as other:
        await other.start("own")
        assert other["own"].url != url, "clients of the one would ask the other"
        await lab.start("own")
        assert lab["own"].url == url
    await lab.stop()
    port = int(url.rpartition(":")[2])
    given_back = PortAllocator().reserve(PortRequest("http", port))
    given_back.release()
    assert given_back.port == port


async def test_a_second_lab_of_the_same_chapter_stops_the_first(lab, root):
    await lab.start("redis")
    first = lab["redis"]
    async with Lab("3.2", root=root) as again:
        await again.start("redis")
        assert not first.alive
        assert again["redis"].alive


def test_a_lab_belongs_to_no_event_loop(root, marked):
    lab = Lab("3.2", root=root)
    asyncio.run(lab.start("redis"))
    asyncio.run(lab.start("consul"))
    asyncio.run(lab.stop())
    asyncio.run(lab.stop())
    assert not marked.pids()


async def test_taken_ports_are_replaced_and_the_table_says_by_whom(lab, root, monkeypatch):
    """Taken by this test: whoever has the real ones may let go of them at any moment."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    of_consul, of_kafka, of_echo = (listener.getsockname()[1] for listener in taken)
    for name, port in (("consul", of_consul), ("kafka", of_kafka)):
        first, *others = SERVERS[name].ports
        monkeypatch.setattr(type(SERVERS[name]), "ports", (replace(first, preferred=port), *others))
    add_service(root, "late", SERVICE.replace("ECHO", "LATE").replace("echo-", "late-"), port=of_echo)
    started = await lab.start("consul", "kafka", "late")
    for listener in taken:
        listener.close()
    for name, role, port in (
        ("consul", "http", of_consul),
        ("kafka", "broker", of_kafka),
        ("late", "http", of_echo),
    ):
        assert lab[name].port(role) != port
        assert f"{port} is taken by " in repr(started)


async def test_a_server_that_cant_be_had_is_explained_in_one_sentence(lab, monkeypatch):
    def nowhere(name: str, *, report: object) -> None:
        raise provision.ProvisionError(f"{name} can't be had; set REDIS_URL, or put redis-server on PATH.")

    monkeypatch.setattr(provision, "find", lambda name: None)
    monkeypatch.setattr(provision, "provision", nowhere)
    with pytest.raises(LabError, match=r"^redis can't be had; set REDIS_URL, or put redis-server on PATH\.$"):
        await lab.start("redis")


async def test_a_server_that_isnt_there_yet_is_provisioned_with_its_progress_shown(lab, monkeypatch, capsys):
    find = provision.find

    def fetch(name: str, *, report: Callable[[str], None]) -> provision.Found | None:
        report(f"{name}: fetching 6 MB")
        return find(name)

    monkeypatch.setattr(provision, "find", lambda name: None)
    monkeypatch.setattr(provision, "provision", fetch)
    await lab.start("redis")
    assert "redis: fetching 6 MB" in capsys.readouterr().out


async def test_a_server_whose_program_is_broken_is_named_at_once_with_its_logs_end(
    lab, tmp_path, monkeypatch
):
    monkeypatch.setenv(
        "WORKBOOK_CONSUL", program(tmp_path / "broken", "print('segment 7 is missing'); sys.exit(3)")
    )
    began = time.monotonic()
    with pytest.raises(
        LabError, match=r"(?s)consul: the process \(pid \d+\) exited with code 3 while.*segment 7 is missing"
    ):
        await lab.start("consul", "redis")
    assert time.monotonic() - began < 15, "the deadline is 20 s"
    with pytest.raises(LabError, match="started: nothing"):
        lab["redis"]


async def test_a_failed_start_stops_what_it_started(lab, marked, tmp_path, monkeypatch):
    monkeypatch.setenv(
        "WORKBOOK_CONSUL", program(tmp_path / "broken", "import time; time.sleep(1); sys.exit(3)")
    )
    with pytest.raises(LabError):
        await lab.start("redis", "consul")
    assert not [p for p in marked.processes() if "redis" in p.name()]


async def test_a_cancelled_start_stops_what_it_started(lab, marked, tmp_path, monkeypatch):
    begun = tmp_path / "begun"
    silent = f"open({str(begun)!r}, 'w').close(); import time; time.sleep(600)"
    monkeypatch.setenv("WORKBOOK_CONSUL", program(tmp_path / "silent", silent))

    def both_run() -> bool:
        return begun.exists() and {"redis-server", "silent"} <= {p.name() for p in marked.processes()}

    starting = asyncio.create_task(lab.start("redis", "consul"))
    await eventually(both_run)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not [p for p in marked.processes() if p.name() in ("redis-server", "silent")]


async def test_a_server_that_never_gets_ready_is_given_up_at_the_deadline(lab, tmp_path, monkeypatch):
    monkeypatch.setattr(type(SERVERS["consul"]), "start_seconds", 0.5)
    monkeypatch.setattr("workbook_lib.lab.readiness.ASK_SECONDS", 30)  # that it is refused is to be heard
    monkeypatch.setenv("WORKBOOK_CONSUL", program(tmp_path / "silent", "import time; time.sleep(600)"))
    with pytest.raises(LabError, match=r"consul: not ready after 0.5 s: .*[Cc]onnection refused"):
        await lab.start("consul")


async def test_a_server_that_dies_later_is_named_by_every_use_of_it(lab, until):
    await lab.start("redis", "consul")
    lab.check()
    os.kill(lab["redis"].pid, signal.SIGKILL)
    until(lambda: not lab["redis"].alive, 10)
    for use in (lab.check, lambda: lab["redis"].url, lambda: lab["redis"].port("redis")):
        with pytest.raises(
            LabError, match=r"(?s)redis: .*killed by signal 9 while the chapter.*Ready to accept connections"
        ):
            use()
    assert lab["consul"].url
    await lab.start("redis")
    lab.check()


async def test_what_is_stopped_or_killed_on_purpose_is_no_error(lab):
    await lab.start("redis", "consul")
    assert await lab["redis"].stop() == 0
    assert await lab["consul"].kill() == -signal.SIGKILL
    lab.check()
    assert lab["redis"].url.startswith("redis://")
    assert "Redis" in lab["redis"].log_tail() or lab["redis"].log_tail()


async def test_your_own_server_is_used_and_none_is_started(lab, root, monkeypatch):
    async with Lab("yours", root=root) as yours:
        await yours.start("redis")
        monkeypatch.setenv("REDIS_URL", yours["redis"].url)
        (handle,) = await lab.start("redis")
        assert (handle.process, handle.url, handle.alive) == (None, yours["redis"].url, True)
        with pytest.raises(LabError, match="is your own server"):
            _ = handle.pid
        await lab.stop()
        assert yours["redis"].alive


async def test_your_own_server_that_doesnt_answer_is_named_with_its_variable(lab, monkeypatch):
    monkeypatch.setattr("workbook_lib.lab.launching.EXTERNAL_SECONDS", 0.2)
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "127.0.0.1:1")
    with pytest.raises(
        LabError, match=r"consul: your own server \(CONSUL_HTTP_ADDR=127.0.0.1:1\) isn't ready"
    ):
        await lab.start("consul")


async def test_a_service_gets_its_ports_its_name_its_database_and_its_servers(lab, root):
    await lab.start("redis")
    await lab.start("echo", env={"FLAVOUR": "vanilla"})
    echo = lab["echo"]
    seen = (await get(f"{echo.url}/")).json()
    assert seen["ECHO_PORT"] == str(echo.port())
    assert seen["ECHO_INSTANCE"] == f"echo-service-{echo.port()}"
    assert seen["ECHO_DATABASE_URL"] == f"sqlite:///{lab.folder}/echo/echo.db"
    assert seen["REDIS_URL"] == lab["redis"].url
    assert seen["FLAVOUR"] == "vanilla"
    assert seen[RUN_ID]
    assert seen["OPERATOR_TOKEN"] == echo.operator_token != ""
    with pytest.raises(LabError, match="echo has no gRPC port"):
        _ = echo.grpc_target


async def test_what_a_caller_says_of_a_database_or_a_token_wins(lab, root):
    elsewhere = "postgresql://127.0.0.1/echo"
    await lab.start("echo", env={"ECHO_DATABASE_URL": elsewhere, "ECHO_OPERATOR_TOKEN": "mine"})
    seen = (await get(f"{lab['echo'].url}/")).json()
    assert seen["ECHO_DATABASE_URL"] == elsewhere
    assert lab["echo"].operator_token == "mine"


async def test_a_program_that_services_are_reached_through_outlives_them(lab, root):
    async def ready(ports):
        return None if (await http_get(f"http://127.0.0.1:{ports['http']}/"))[0] else "no answer"

    serve = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(root)]
    await lab.start("echo")
    between = await lab.run_program(
        "between", lambda ports: [*serve, str(ports["http"])], ready, ports=[PortRequest("http")]
    )
    assert await lab.run_program("between", lambda _: [], ready, ports=[]) is between, "it runs already"
    stopped, stop = [], Handle.stop
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handle, "stop", lambda self: stopped.append(self.name) or stop(self))
        await lab.stop()
    assert stopped[:2] == ["echo", "between"]


async def test_instances_have_ports_of_their_own(lab):
    started = await lab.start("echo", instances=3)
    assert [handle.name for handle in started] == ["echo", "echo-2", "echo-3"]
    assert len({handle.url for handle in started}) == 3
    await lab["echo", 2].kill()
    await lab.start("echo", instances=3)
    assert all(lab["echo", index].alive for index in (1, 2, 3))


async def test_the_servers_that_a_service_needs_are_started_with_it(lab, root):
    add_service(root, "needy", SERVICE.replace("ECHO", "NEEDY").replace("echo-", "needy-"), '["redis"]')
    assert [handle.name for handle in await lab.start("needy")] == ["redis", "needy"]


async def test_a_chapter_can_leave_out_a_server_that_it_has_no_use_for(lab, root):
    add_service(root, "needy", SERVICE.replace("ECHO", "NEEDY").replace("echo-", "needy-"), '["redis"]')
    assert [handle.name for handle in await lab.start("needy", without={"redis"})] == ["needy"]


async def test_a_service_that_crashes_at_start_is_named_with_its_traceback(lab, root):
    add_service(root, "crashing", "raise RuntimeError('no such table: users')")
    began = time.monotonic()
    with pytest.raises(
        LabError, match=r"(?s)crashing: .*exited with code 1 while.*RuntimeError: no such table"
    ):
        await lab.start("echo", "crashing")
    assert time.monotonic() - began < 30, "the deadline is 60 s"
    with pytest.raises(LabError, match="isn't started"):
        lab["echo"]


async def test_somebody_else_answering_on_the_port_isnt_taken_for_the_service(lab, root, monkeypatch):
    monkeypatch.setattr("workbook_lib.lab.launching.SERVICE_START_SECONDS", 5.0)  # it has to be up by then
    monkeypatch.setattr("workbook_lib.lab.readiness.ASK_SECONDS", 30)
    add_service(root, "posing", SERVICE.replace("ECHO", "POSING"))
    with pytest.raises(
        LabError, match=r"posing: not ready after .* answered by \('echo-service', 'posing-service-\d+'\)"
    ):
        await lab.start("posing")


async def test_an_unknown_name_is_answered_with_the_known_ones(lab):
    with pytest.raises(LabError, match=r"no server or service named 'mongo'; services: echo"):
        await lab.start("mongo")
    with pytest.raises(LabError, match=r"nothing of chapter 3\.2 is started"):
        _ = lab.folder


async def test_a_service_with_reload_starts_anew_when_its_file_changes(lab, root, until):
    await lab.start("echo", reload=True)
    file = root / "services" / "echo" / "__main__.py"
    edited = SERVICE.replace("dict(os.environ)", "'edited'")
    await answers(lab["echo"].url, b'"edited"', lambda: file.write_text(edited))


APP = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first"})
"""


async def test_a_readers_edit_of_an_app_is_picked_up(lab, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "hello.py").write_text(APP)
    await lab.serve(folder, "hello:app", name="hello")
    assert (await get(lab["hello"].url)).content == b"first"
    edited = APP.replace("first", "second")
    await answers(lab["hello"].url, b"second", lambda: (folder / "hello.py").write_text(edited))


async def test_an_app_that_cant_be_imported_is_an_error_with_its_traceback(lab, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "hello.py").write_text("import no_such_module")
    began = time.monotonic()
    with pytest.raises(
        LabError, match=r"(?s)hello: the program ended at once.*No module named 'no_such_module'"
    ):
        await lab.serve(folder, "hello:app", name="hello")
    assert time.monotonic() - began < 30, "the deadline is 60 s"


KERNEL = """
import asyncio, sys, time
from pathlib import Path
from workbook_lib.lab import Lab
lab = Lab("3.2", root=Path(sys.argv[1]))
asyncio.run(lab.start("consul", "redis", "echo"))
print("ready", flush=True)
time.sleep(600)
"""


def start_kernel(root: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", KERNEL, str(root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)


@pytest.mark.parametrize("seconds", [0.2, 0.5, 0.8, 1.1, 1.4])
async def test_sigkill_of_a_kernel_leaves_no_server_and_the_next_run_works(root, marked, until, seconds):
    kernel = start_kernel(root)
    await asyncio.sleep(seconds)
    kernel.kill()
    kernel.communicate(timeout=5)
    until(lambda: not marked.pids(), 2, "processes left by a killed kernel")
    async with Lab("3.2", root=root) as lab:
        await lab.start("consul", "redis", "echo")


async def test_a_run_started_while_a_killed_ones_processes_still_end_reaps_them(root, marked):
    kernel = start_kernel(root)
    assert kernel.stdout
    assert kernel.stdout.readline() == b"ready\n"
    kernel.kill()
    kernel.communicate(timeout=5)
    async with Lab("3.2", root=root) as lab:
        await lab.start("redis")
        assert {"consul", "redis-server"} & {p.name() for p in marked.processes()} == {"redis-server"}


RUNNER = """
import os, subprocess, sys, time
env = {**os.environ, "JPY_PARENT_PID": str(os.getpid())}
kernel = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], env=env, start_new_session=True)
kernel.wait()
"""


def test_sigkill_of_what_runs_the_notebook_takes_a_busy_kernel_and_its_servers_along(root, marked, until):
    """papermill and JupyterLab name themselves in the JPY_PARENT_PID of the kernels that they start."""
    command = [sys.executable, "-c", RUNNER, KERNEL, str(root)]
    runner = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert runner.stdout
    assert runner.stdout.readline() == b"ready\n"
    assert len(marked.pids()) >= 6
    runner.kill()
    until(lambda: not marked.pids(), 2, "a kernel or its servers")
    runner.communicate(timeout=5)


async def test_an_instance_that_is_started_again_is_where_it_was(tmp_path):
    """Else a killed one would stay registered in Consul beside its successor."""
    async with Lab("restart", root=tmp_path) as lab:
        await lab.start("welcome", instances=2)
        before = lab["welcome", 2].url
        await lab["welcome", 2].kill()
        await lab.start("welcome", instances=2)
        assert lab["welcome", 2].url == before


async def test_a_server_that_is_started_again_is_where_it_was(tmp_path):
    """Also when its well-known port was another's: whoever waits for it knows no other address."""
    async with Lab("well-known", root=tmp_path) as first, Lab("elsewhere", root=tmp_path) as second:
        await first.start("victorialogs")
        await second.start("victorialogs")
        before = second["victorialogs"].url
        assert before != first["victorialogs"].url
        await second["victorialogs"].kill()
        await first["victorialogs"].stop()  # the well-known port is free now
        await second.start("victorialogs")
        assert second["victorialogs"].url == before
