"""Each server is ready when it answers its own protocol, and nothing else is taken for it."""

import asyncio
from functools import partial
from pathlib import Path

import aiokafka
import pytest

from workbook_lib.kit import messaging
from workbook_lib.lab import LabError
from workbook_lib.lab.evidence import eventually
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.provision import Found
from workbook_lib.lab.readiness import http_get, until_answered
from workbook_lib.lab.servers import SERVERS, Launch, Place
from workbook_lib.lab.servers.base import address


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("127.0.0.1:8500", ("127.0.0.1", 8500)),
        ("http://consul.local:8501/", ("consul.local", 8501)),
        ("a:9092,b:9093", ("a", 9092)),
        ("redis://user:secret@cache:6380/0", ("cache", 6380)),
        ("kafka", ("kafka", 9092)),
    ],
)
def test_an_address_may_be_a_url_or_host_and_port(value, expected):
    assert address(value, 9092) == expected


PARTS = {companion for server in SERVERS.values() for companion in server.companions}


@pytest.mark.parametrize("name", sorted(PARTS))
def test_what_is_part_of_another_server_is_never_the_users_alone(name):
    assert SERVERS[name].external(dict.fromkeys(SERVERS[name].variables, "host:1")) is None


@pytest.mark.parametrize("name", sorted(SERVERS.keys() - PARTS))
def test_a_server_is_external_only_when_all_its_variables_are_set(name):
    variables = SERVERS[name].variables
    everything = dict.fromkeys(variables, "host:1")
    assert SERVERS[name].external(everything) == everything
    assert SERVERS[name].external({**everything, variables[-1]: ""}) is None


@pytest.mark.parametrize("name", ["consul", "jaeger", "redis", "prometheus", "alertmanager", "nginx"])
def test_a_server_is_told_every_one_of_its_ports_and_binds_to_loopback(name, tmp_path):
    """Two can run side by side only if no port is left at its default."""
    server = SERVERS[name]
    ports = {request.role: 21000 + number for number, request in enumerate(server.ports)}
    launch = server.launch(Place(Found(name, "path", "9.9.9", Path("/bin/true"), ""), ports, tmp_path))
    assert isinstance(launch, Launch)
    said = " ".join([*launch.argv, *(file.read_text() for file in tmp_path.rglob("*.*") if file.is_file())])
    assert [port for port in ports.values() if str(port) not in said] == []
    assert "127.0.0.1" in said
    assert "0.0.0.0" not in said


def test_prometheus_looks_for_targets_and_alertmanager_where_they_run(tmp_path):
    found = Found("prometheus", "path", "9.9.9", Path("/bin/true"), "")
    for environment, expected in [
        ({}, (0, 0)),
        ({"CONSUL_HTTP_ADDR": "http://127.0.0.1:8511"}, (1, 0)),
        ({"CONSUL_HTTP_ADDR": "127.0.0.1:8511", "ALERTMANAGER_URL": "http://127.0.0.1:9111"}, (1, 1)),
    ]:
        SERVERS["prometheus"].launch(Place(found, {"http": 21000}, tmp_path, environment))
        said = (tmp_path / "prometheus.yml").read_text()
        assert (said.count("127.0.0.1:8511"), said.count("127.0.0.1:9111")) == expected
        assert ("consul_sd_configs" in said, "alertmanagers" in said) == tuple(map(bool, expected))


def test_what_a_server_looks_for_at_its_start_is_started_before_it():
    order = list(SERVERS)
    assert order.index("consul") < order.index("prometheus")
    assert order.index("alertmanager") < order.index("prometheus")


def test_nginx_keeps_its_certificate_over_restarts_and_its_key_to_itself(tmp_path):
    place = Place(Found("nginx", "path", "1.22.1", Path("/bin/true"), ""), {"https": 1, "http": 2}, tmp_path)
    authorities = {SERVERS["nginx"].launch(place).environment["NGINX_CA_FILE"] for _ in range(2)}
    (authority,) = authorities
    before = Path(authority).read_bytes()
    SERVERS["nginx"].launch(place)
    assert Path(authority).read_bytes() == before
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0


def test_an_endpoint_is_nothing_to_start(tmp_path):
    place = Place(Found("redis", "endpoint", "", None, "redis://elsewhere"), {}, tmp_path)
    with pytest.raises(ValueError, match="redis is an endpoint"):
        _ = place.program


@pytest.mark.parametrize("name", SERVERS)
async def test_a_server_of_another_kind_on_the_port_is_not_ready(name):
    """It answers every request with 32 zero bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(bytes(32))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as stranger:
        port = stranger.sockets[0].getsockname()[1]
        environment = SERVERS[name].environment(dict.fromkeys((r.role for r in SERVERS[name].ports), port))
        with pytest.raises(LabError, match=f"{name}: your own server .* isn't ready: .+"):
            await until_answered(name, environment, partial(SERVERS[name].check, environment), 0.0)


async def test_jaeger_answers_queries_and_takes_spans(jaeger):
    assert (await eventually(lambda: http_get(f"{jaeger.query_url}/api/services")))[0] == 200
    assert (await eventually(lambda: http_get(f"{jaeger.otlp_endpoint}/v1/traces")))[0] == 405


async def test_consul_has_its_web_pages(consul_url):
    status, page = await eventually(lambda: http_get(consul_url))
    assert status == 200
    assert b"Consul" in page


async def test_a_consumer_group_of_a_new_kafka_gets_its_first_message_quickly(kafka_bootstrap):
    """No rebalance delay, and an offsets topic of few partitions."""
    await messaging.ensure_topics(kafka_bootstrap, {"lab-ready": 2})
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        await producer.send_and_wait("lab-ready", b"hello")
    consumer = aiokafka.AIOKafkaConsumer(
        "lab-ready", bootstrap_servers=kafka_bootstrap, group_id="lab-ready", auto_offset_reset="earliest"
    )
    async with consumer, asyncio.timeout(10):
        assert (await consumer.getone()).value == b"hello"


def test_ports_are_unique_among_all_servers():
    own = [server for server in SERVERS.values() if not server.stands_for]
    preferred = [port.preferred for server in own for port in server.ports if port.preferred]
    assert len(preferred) == len(set(preferred))
    assert all(isinstance(request, PortRequest) for server in SERVERS.values() for request in server.ports)
