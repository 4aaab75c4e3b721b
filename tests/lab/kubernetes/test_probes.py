"""Probes ask as the kubelet does: HTTP, TCP, gRPC and commands, with thresholds and timeouts."""

import asyncio
import socket

import grpc
import pytest
from aiohttp import web
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from lightkube.models.core_v1 import (
    Container,
    ContainerPort,
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    HTTPHeader,
    Probe,
    TCPSocketAction,
)

from workbook_lib.lab.kubernetes.probes import Prober, named_port


async def _run(command):
    return None if command == ["true"] else "command ended with 1"


def _prober(port=8000):
    ports = [ContainerPort(name="http", containerPort=port)]
    return Prober(Container(name="web", ports=ports), "127.0.0.1", _run)


@pytest.fixture
async def served():
    """A server of several tempers; its port."""

    async def answer(request):
        if request.path == "/slow":
            await asyncio.sleep(30)
        status = {"/ok": 200, "/elsewhere": 302}.get(request.path, 503)
        return web.Response(
            status=status if "X-Probe" in request.headers else 400, headers={"Location": "/bad"}
        )

    app = web.Application()
    app.router.add_get("/{path}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


def test_a_port_may_be_given_by_its_name():
    (container,) = [_prober(1234).container]
    assert named_port(container, "http") == 1234
    assert named_port(container, 80) == 80
    with pytest.raises(ValueError, match="grpc"):
        named_port(container, "grpc")


@pytest.mark.parametrize(
    ("path", "says"),
    [("/ok", None), ("/elsewhere", None), ("/bad", "statuscode: 503"), ("/slow", "no answer within 1 s")],
)
async def test_http(served, path, says):
    get = HTTPGetAction(path=path, port="http", httpHeaders=[HTTPHeader(name="X-Probe", value="1")])
    wrong = await _prober(served).ask(Probe(httpGet=get, timeoutSeconds=1 if path == "/slow" else 20))
    assert wrong is None if says is None else says in wrong


async def test_tcp(served):
    assert await _prober().ask(Probe(tcpSocket=TCPSocketAction(port=served), timeoutSeconds=20)) is None
    with socket.socket() as bound:  # so that nobody else listens there meanwhile
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert await _prober().ask(Probe(tcpSocket=TCPSocketAction(port=port), timeoutSeconds=20))


async def test_grpc():
    server, servicer = grpc.aio.server(), health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        probe = Probe(grpc=GRPCAction(port=port), timeoutSeconds=20)
        assert await _prober().ask(probe) is None
        await servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        assert "NOT_SERVING" in await _prober().ask(probe)
    finally:
        await server.stop(0)


async def test_commands():
    assert await _prober().ask(Probe(exec=ExecAction(command=["true"]))) is None
    assert await _prober().ask(Probe(exec=ExecAction(command=["false"]))) == "command ended with 1"


async def test_one_failure_is_none_until_the_threshold_is_reached(monkeypatch):
    answers = iter([None, "ill", "ill", None, "ill", "ill", "ill", None])
    told = []
    finished = asyncio.Event()

    async def ask(_):
        try:
            return next(answers)
        except StopIteration:
            finished.set()
            await asyncio.Event().wait()

    prober = _prober()
    monkeypatch.setattr(prober, "ask", ask)
    monkeypatch.setattr("workbook_lib.lab.kubernetes.probes.asyncio.sleep", lambda _: _nothing())
    watching = asyncio.create_task(
        prober.watch(Probe(failureThreshold=3), lambda well, why: told.append((well, why)))
    )
    await asyncio.wait_for(finished.wait(), 20)
    watching.cancel()
    assert told == [(True, ""), (True, ""), (False, "ill"), (True, "")]


async def _nothing():
    return None
