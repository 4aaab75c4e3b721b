"""nginx in front: HTTPS from a local authority, its headers, and reloads that no caller notices."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx2
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from workbook_lib.lab import Lab, LabError, nginx
from workbook_lib.lab.evidence import eventually
from workbook_lib.lab.handle import Handle
from workbook_lib.lab.traffic import run_load

pytestmark = pytest.mark.server

ECHO = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    lines = [f"{scope['method']} {scope['path']} {len(body)}"]
    lines += [f"{name.decode()}: {value.decode()}" for name, value in scope["headers"]]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": chr(10).join(lines).encode()})
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory):
    """nginx, and two instances of an app that says what it was asked."""
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "echo.py").write_text(ECHO)
    lab = Lab("nginx-test", root=folder)

    async def start() -> None:
        await lab.start("nginx")
        for name in ("one", "two"):
            await lab.serve(folder, "echo:app", name=name, port=28080, reload=False)

    asyncio.run(start())
    yield lab
    asyncio.run(lab.stop())


@pytest.fixture
async def front(lab: Lab) -> Handle:
    """nginx with both instances behind it."""
    await nginx.configure(lab["nginx"], "gateway.conf", gateways=[_host(lab, "one"), _host(lab, "two")])
    return lab["nginx"]


@pytest.fixture
async def client(front: Handle) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(verify=_trust(front), base_url=front.url, trust_env=False) as client:
        yield client


def _host(lab: Lab, name: str) -> str:
    return lab[name].url.removeprefix("http://")


def _authority(front: Handle) -> bytes:
    return Path(front.environment["NGINX_CA_FILE"]).read_bytes()


def _trust(front: Handle) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=front.environment["NGINX_CA_FILE"])


async def test_the_certificate_is_good_for_those_who_know_the_authority_and_for_nobody_else(front):
    with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        async with httpx2.AsyncClient(trust_env=False) as stranger:
            await stranger.get(front.url)
    async with httpx2.AsyncClient(verify=_trust(front), trust_env=False) as knowing:
        assert (await knowing.get(front.url.replace("127.0.0.1", "localhost"))).status_code == 200


async def test_http_is_led_to_https_with_method_path_and_query(front, client):
    plain = f"http://127.0.0.1:{front.port('http')}/users?limit=2"
    answer = await client.post(plain, json={})
    assert answer.status_code == 308
    assert answer.headers["location"] == f"{front.url}/users?limit=2"


async def test_what_a_caller_claims_of_itself_is_replaced_and_its_trace_is_passed_on(client):
    claims = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "gopher",
        "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01",
        "X-Request-ID": "my-own-request-1",
    }
    answer = await client.get("/where", headers=claims)
    lines = answer.text.splitlines()
    assert "x-forwarded-for: 127.0.0.1" in lines
    assert "x-forwarded-proto: https" in lines
    assert f"traceparent: {claims['traceparent']}" in lines
    assert "x-request-id: my-own-request-1" in lines
    assert answer.headers["x-request-id"] == "my-own-request-1"
    assert f"host: {client.base_url.netloc.decode()}" in lines


@pytest.mark.parametrize("claimed", ["", "short", "with spaces in it", "x" * 65])
async def test_a_request_id_that_isnt_one_is_replaced(client, claimed):
    made = (await client.get("/", headers={"X-Request-ID": claimed})).headers["x-request-id"]
    assert made != claimed
    assert len(made) == 32


async def test_a_body_above_the_limit_is_refused_before_it_reaches_the_service(client):
    assert (await client.post("/upload", content=b"x" * (1 << 20))).status_code == 200
    assert (await client.post("/upload", content=b"x" * ((1 << 20) + 1))).status_code == 413


@pytest.mark.parametrize("path", ["/metrics", "/debug/profile", "/debug/../metrics", "/%64ebug/tasks"])
async def test_what_is_for_operators_is_not_reached_from_outside(client, path):
    assert (await client.get(path)).status_code == 404


async def test_it_speaks_http_2(front):
    context = _trust(front)
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("127.0.0.1", front.port("https"), ssl=context)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    writer.transport.abort()


async def test_connections_to_the_service_are_kept_between_requests(lab, front, client):
    workers = await eventually(lambda: _two_workers(front))
    for _ in range(50):
        await client.get("/")
    backends = {_host(lab, name) for name in ("one", "two")}
    kept = [
        connection
        for worker in workers
        for connection in worker.net_connections("tcp")
        if connection.raddr and f"{connection.raddr.ip}:{connection.raddr.port}" in backends
    ]
    assert 1 <= len(kept) <= 8, kept


def _two_workers(front):
    """nginx's workers once those that it had before are gone, which end when they have nothing more to do."""
    workers = psutil.Process(front.pid).children()
    return workers if len(workers) == 2 else []


async def test_each_request_is_a_json_line_with_its_trace_in_the_log(front, client):
    trace = "5b" * 16
    await client.get("/logged?secret=1", headers={"traceparent": f"00-{trace}-{'cd' * 8}-01"})
    async with asyncio.timeout(30):
        async for record in front.follow(30):
            if record["path"] == "/logged":
                break
    assert (record["status"], record["method"], record["client"]) == (200, "GET", "127.0.0.1")
    assert record["trace_id"] == trace
    assert record["latency_ms"] >= 0


async def test_no_request_fails_while_it_is_reloaded_again_and_again(lab, front):
    """At least 5,000 requests under constant load, on connections that the callers keep."""
    hosts = [_host(lab, name) for name in ("one", "two")]
    loading = asyncio.create_task(
        run_load(
            front.url,
            concurrency=8,
            seconds=120,
            max_requests=6_000,
            timeout_seconds=30,
            ca_file=Path(front.environment["NGINX_CA_FILE"]),
        )
    )
    reloads = 0
    while not loading.done():
        await nginx.configure(front, "gateway.conf", gateways=hosts[reloads % 2 :])
        reloads += 1
    load = await loading
    assert load.requests >= 5_000
    assert load.failures == 0, load
    assert reloads >= 3


@pytest.mark.parametrize("gateways", [["no host"], ["127.0.0.1:99999"], ['127.0.0.1:1; } evil "']])
async def test_a_wrong_configuration_is_refused_and_the_old_one_goes_on(front, client, gateways):
    before = (front.folder / "nginx.conf").read_text()
    with pytest.raises(LabError, match=r"nginx refuses the configuration(.|\n)*\[emerg\]"):
        await nginx.configure(front, "gateway.conf", gateways=gateways)
    assert (await client.get("/")).status_code == 200
    assert (front.folder / "nginx.conf").read_text() == before


async def test_a_site_that_isnt_there_and_a_value_that_is_missing_are_named(front):
    with pytest.raises(LabError, match=r"there is no .*nowhere\.conf; its folder has gateway\.conf, "):
        await nginx.configure(front, "nowhere.conf")
    with pytest.raises(LabError, match=r"gateway\.conf needs a value for gateways"):
        await nginx.configure(front, "gateway.conf")


async def test_a_configuration_that_passes_the_test_but_cant_be_served_is_taken_back(
    front, client, monkeypatch
):
    """Only binding tells that a port is taken."""
    monkeypatch.setattr(nginx, "RELOAD_SECONDS", 1.0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        before = (front.folder / "nginx.conf").read_text()
        with pytest.raises(LabError, match="not ready after"):
            await nginx.configure(front, "gateway.conf", gateways="127.0.0.1:1", http=taken.getsockname()[1])
        assert (front.folder / "nginx.conf").read_text() == before
        # Before the port is free: nginx tries to bind it for 2.5 s.
        assert (await client.get("/")).status_code == 200


async def test_grpc_passes_through_by_http_2(lab, front):
    await lab.start("inventory", env={"CONSUL_HTTP_ADDR": ""})
    await nginx.configure(front, "grpc.conf", grpc=lab["inventory"].grpc_target)
    credentials = grpc.ssl_channel_credentials(_authority(front))
    async with grpc.aio.secure_channel(front.url.removeprefix("https://"), credentials) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_stopped_it_finishes_the_request_under_way(tmp_path):
    """SIGQUIT: an answer that takes half a second still arrives whole, and no worker is left."""
    (tmp_path / "slow.py").write_text(
        "import asyncio\n"
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b'be', 'more_body': True})\n"
        "    await asyncio.sleep(0.5)\n"
        "    await send({'type': 'http.response.body', 'body': b'gun'})\n"
    )
    async with Lab("nginx-stop", root=tmp_path) as lab:
        await lab.start("nginx")
        await lab.serve(tmp_path, "slow:app", name="slow", port=28080, reload=False)
        front = lab["nginx"]
        await nginx.configure(front, "gateway.conf", gateways=_host(lab, "slow"))
        workers = psutil.Process(front.pid).children()
        async with (
            httpx2.AsyncClient(verify=_trust(front), trust_env=False) as client,
            client.stream("GET", front.url) as answer,
        ):
            stopping = asyncio.create_task(front.stop())
            assert await answer.aread() == b"begun"
        assert await stopping == 0
        assert not any(worker.is_running() for worker in workers)
