"""Who called: X-Forwarded-For alone changes nothing, and of a trusted proxy's the right end counts."""

import json

import pytest
from fastapi import Request

from workbook_lib.kit import logs
from workbook_lib.kit.security.client_address import ForwardedClient, client_address, networks
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings

PROXIES = networks(["10.0.0.0/8", "127.0.0.1", "2001:db8:1::/48"])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "caller"),
    [
        ("198.51.100.7", "203.0.113.1", "198.51.100.7"),  # no proxy of ours: its word counts for nothing
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.1", "203.0.113.1"),  # the left end is what the caller made up
        ("127.0.0.1", "6.6.6.6, 203.0.113.1, 10.1.2.3", "203.0.113.1"),  # two proxies of ours
        ("127.0.0.1", "10.9.9.9, 203.0.113.1", "203.0.113.1"),  # posing as a proxy of ours
        ("127.0.0.1", "10.1.2.3, 10.1.2.4", "10.1.2.3"),
        ("127.0.0.1", "203.0.113.1, nonsense", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.1, unknown, 10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "203.0.113.1:4711", "203.0.113.1"),
        ("127.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("127.0.0.1", "2001:DB8::0:7", "2001:db8::7"),
        ("::ffff:127.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("2001:db8:1::5", "::ffff:203.0.113.1", "203.0.113.1"),
        ("unix socket", "203.0.113.1", "unix socket"),
    ],
)
def test_the_caller_is_the_last_address_that_we_know_the_writer_of(peer, forwarded_for, caller):
    assert client_address(peer, forwarded_for, PROXIES) == caller


def test_without_configured_proxies_the_peer_is_the_caller():
    assert client_address("127.0.0.1", "203.0.113.1", networks([])) == "127.0.0.1"


@pytest.mark.parametrize("wrong", ["*", "proxy.example", "10.0.0.0/33", ""])
def test_only_addresses_and_networks_can_be_trusted(wrong):
    with pytest.raises(ValueError):
        networks([wrong])


@pytest.fixture
def service():
    service = Service(ServiceSettings(service="demo"), title="Demo")
    service.add_middleware(ForwardedClient, trusted=PROXIES)

    @service.app.get("/who")
    async def who(request: Request) -> str:
        assert request.client
        return request.client.host

    return service


async def test_routes_and_the_access_log_see_the_caller(service, calling, capsys):
    logs.configure("demo", "demo-1")
    async with calling(service) as client:
        answer = await client.get("/who", headers={"X-Forwarded-For": "203.0.113.1"})
    assert answer.json() == "203.0.113.1"
    assert json.loads(capsys.readouterr().out)["client"] == "203.0.113.1"


async def test_a_header_that_comes_twice_is_one_list(service, calling):
    """A forged one stands before the proxy's own."""
    headers = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.1")]
    async with calling(service) as client:
        assert (await client.get("/who", headers=headers)).json() == "203.0.113.1"
