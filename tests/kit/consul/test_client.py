"""The client against a real Consul, and against what only looks like one."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from workbook_lib.kit import telemetry
from workbook_lib.kit.consul import Consul, ConsulError, HttpCheck, Instance, KeyValue, Registration
from workbook_lib.kit.errors import Unavailable


@pytest.fixture
async def consul(consul_url: str) -> AsyncIterator[Consul]:
    async with Consul(consul_url, timeout_seconds=20) as consul:
        yield consul


@pytest.fixture
def name() -> str:
    return f"service-{uuid.uuid4().hex[:8]}"


def registration(name: str, number: int = 1, **fields: object) -> Registration:
    return Registration(
        id=f"{name}-{number}", service=name, address="127.0.0.1", port=9000 + number, **fields
    )  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def scripted(answer: bytes | None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that gives one HTTP answer to everything, or none; its address and what it was asked."""
    asked: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                asked.append(await reader.readuntil(b"\r\n\r\n"))
                if answer is not None:
                    writer.write(answer)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
        for writer in writers:
            writer.close()
    for writer in writers:
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_registered_instance_is_found_with_all_its_fields(consul: Consul, name: str) -> None:
    await consul.register(registration(name, tags=("v1",), meta={"grpc_port": "50051"}))

    expected = Instance(f"{name}-1", name, "127.0.0.1", 9001, ("v1",), {"grpc_port": "50051"})
    assert (await consul.health(name)).value == [expected]
    assert await consul.catalog(name) == [expected]
    assert (await consul.services())[name] == ["v1"]
    assert (expected.url, expected.rpc_target) == ("http://127.0.0.1:9001", "127.0.0.1:50051")

    await consul.deregister(f"{name}-1")
    assert (await consul.health(name, consistent=True)).value == []
    await consul.deregister(f"{name}-1")


async def test_instances_come_in_the_order_of_their_ids(consul: Consul, name: str) -> None:
    for number in (3, 1, 2):
        await consul.register(registration(name, number))
    instances = (await consul.health(name, consistent=True)).value
    assert [instance.id for instance in instances] == [f"{name}-{number}" for number in (1, 2, 3)]


async def test_only_passing_instances_are_given_unless_all_are_asked_for(consul: Consul, name: str) -> None:
    sick = HttpCheck(url="http://127.0.0.1:1/health", interval_seconds=60)
    await consul.register(registration(name, 1, check=sick))
    await consul.register(registration(name, 2))

    assert [instance.id for instance in (await consul.health(name)).value] == [f"{name}-2"]
    assert len((await consul.health(name, passing=False)).value) == 2


async def test_an_instance_leaves_the_passing_list_about_one_check_interval_after_it_fell_sick(
    consul: Consul, name: str
) -> None:
    healthy = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with scripted(healthy) as (address, _):
        check = HttpCheck(url=f"http://{address}/health", interval_seconds=0.5)
        await consul.register(registration(name, check=check))
        async with asyncio.timeout(30), aclosing(consul.watch_health(name)) as answers:
            async for instances in answers:
                if instances:
                    break
    fell_sick = time.monotonic()
    async with asyncio.timeout(30), aclosing(consul.watch_health(name)) as answers:
        async for instances in answers:
            if not instances:
                break
    assert time.monotonic() - fell_sick < 10
    assert len(await consul.catalog(name)) == 1, "deregistration takes minutes"
    await consul.deregister(f"{name}-1")  # or its check asks who gets that port next


async def test_a_weight_is_told_and_can_be_changed_while_tags_metadata_and_checks_stay(
    consul: Consul, name: str
) -> None:
    sick = HttpCheck(url="http://127.0.0.1:1/health", interval_seconds=60)
    await consul.register(registration(name, 1, weight=950, tags=("v1",), meta={"version": "v1"}))
    await consul.register(registration(name, 2, check=sick))
    assert [each.weight for each in (await consul.health(name, passing=False)).value] == [950, 1]

    for number in (1, 2):
        await consul.set_weight(f"{name}-{number}", 50)
    (healthy,) = (await consul.health(name, consistent=True)).value
    assert (healthy.weight, healthy.tags, healthy.meta) == (50, ("v1",), {"version": "v1"})
    assert [each.weight for each in await consul.catalog(name)] == [50, 50]
    assert (await consul.statuses(name)).value[f"{name}-2"] == "critical", "its check is still there"
    with pytest.raises(ConsulError):
        await consul.set_weight(f"{name}-3", 1)


async def test_an_instance_in_maintenance_is_not_passing_until_it_is_taken_out_of_it(
    consul: Consul, name: str
) -> None:
    await consul.register(registration(name))
    await consul.set_maintenance(f"{name}-1", enabled=True, reason="rolled back")
    assert (await consul.health(name, consistent=True)).value == []
    await consul.register(registration(name))
    assert (await consul.health(name, consistent=True)).value == [], "also when it registers anew"
    await consul.set_maintenance(f"{name}-1", enabled=False)
    assert len((await consul.health(name, consistent=True)).value) == 1
    with pytest.raises(ConsulError):
        await consul.set_maintenance(f"{name}-2", enabled=True)


def test_a_registration_is_written_as_consuls_api_names_things() -> None:
    check = HttpCheck(url="http://127.0.0.1:9001/health", interval_seconds=0.25, passing_at_first=True)
    assert check.to_json() == {
        "HTTP": "http://127.0.0.1:9001/health",
        "Notes": "GET http://127.0.0.1:9001/health",
        "Interval": "0.250s",
        "Timeout": "2.000s",
        "DeregisterCriticalServiceAfter": "60.000s",
        "Status": "passing",
    }
    assert registration("shop", tags=("v1",), check=check).to_json() == {
        "ID": "shop-1",
        "Name": "shop",
        "Address": "127.0.0.1",
        "Port": 9001,
        "Tags": ["v1"],
        "Meta": {},
        "Check": check.to_json(),
    }
    assert "Check" not in registration("shop").to_json()
    assert "Weights" not in registration("shop").to_json()
    assert registration("shop", weight=950).to_json()["Weights"] == {"Passing": 950, "Warning": 1}


def test_an_entry_without_a_value_is_empty() -> None:
    assert KeyValue.from_json({"Key": "a", "Value": None, "ModifyIndex": 7}) == KeyValue("a", b"", 7)


@pytest.mark.parametrize("service_address", ["10.0.0.9", ""])
def test_a_service_address_wins_over_the_nodes(service_address: str) -> None:
    service = {"ID": "a-1", "Service": "a", "Port": 80, "Address": service_address}
    from_health = Instance.from_health({"Node": {"Address": "10.0.0.1"}, "Service": service})
    from_catalog = Instance.from_catalog(
        {
            "Address": "10.0.0.1",
            "ServiceID": "a-1",
            "ServiceName": "a",
            "ServicePort": 80,
            "ServiceAddress": service_address,
        }
    )
    assert from_health == from_catalog
    assert from_health.address == (service_address or "10.0.0.1")


@pytest.mark.parametrize(
    ("written", "url", "rpc_target"),
    [
        ("127.0.0.1:50051", "http://127.0.0.1:50051", "127.0.0.1:50051"),
        ("http://localhost:8081/", "http://localhost:8081", "localhost:8081"),
        ("http://[::1]:80", "http://[::1]:80", "[::1]:80"),
        ("https://shop.example", "http://shop.example:443", "shop.example:443"),
    ],
)
def test_an_instance_can_be_made_from_a_fixed_address(written: str, url: str, rpc_target: str) -> None:
    instance = Instance.at(written)
    assert (instance.url, instance.rpc_target) == (url, rpc_target)


def test_an_address_without_a_host_is_refused_with_the_forms_that_are_read() -> None:
    with pytest.raises(ValueError, match="host:port"):
        Instance.at("")


async def test_keys_are_stored_read_listed_and_removed(consul: Consul, name: str) -> None:
    assert await consul.kv_get(f"{name}/a b") is None
    assert await consul.kv_put(f"{name}/a b", "grüße")
    assert await consul.kv_put(f"{name}/raw", b"\x00\xff")

    entry = await consul.kv_get(f"{name}/a b", consistent=True)
    assert entry is not None
    assert (entry.key, entry.text) == (f"{name}/a b", "grüße")
    assert [(entry.key, entry.value) for entry in await consul.kv_list(f"{name}/")] == [
        (f"{name}/a b", "grüße".encode()),
        (f"{name}/raw", b"\x00\xff"),
    ]
    await consul.kv_delete(f"{name}/a b")
    assert await consul.kv_get(f"{name}/a b") is None
    assert await consul.kv_list("nothing-here/") == []


async def test_a_checked_put_stores_only_over_the_entry_that_was_read(consul: Consul, name: str) -> None:
    assert await consul.kv_put(name, "first", cas=0)
    assert not await consul.kv_put(name, "second", cas=0)
    entry = await consul.kv_get(name)
    assert entry is not None
    assert await consul.kv_put(name, "second", cas=entry.modify_index)
    assert not await consul.kv_put(name, "third", cas=entry.modify_index)


async def test_entries_put_together_change_in_one_moment_or_not_at_all(consul: Consul, name: str) -> None:
    async with asyncio.timeout(30), aclosing(consul.watch_prefix(f"{name}/")) as answers:
        assert await anext(answers) == []
        index = await consul.kv_put_all({f"{name}/a": "1", f"{name}/b": b"2"})
        while not (entries := await anext(answers)):  # nothing may come again, as others change keys
            continue
    assert [(each.text, each.modify_index) for each in entries] == [("1", index), ("2", index)]
    with pytest.raises(ConsulError):
        await consul.kv_put_all({f"{name}/a": "3", f"{name}/b": "4" * 600_000})  # Consul takes 512 KiB
    assert await consul.kv_list(f"{name}/") == entries


async def test_a_watched_key_shows_each_change(consul: Consul, name: str) -> None:
    async with asyncio.timeout(30), aclosing(consul.watch_key(name)) as entries:
        assert await anext(entries) is None
        await consul.kv_put(name, "on")
        entry = await anext(entries)
        assert entry is not None
        assert entry.text == "on"
        await consul.kv_delete(name)
        assert await anext(entries) is None


async def test_a_watched_service_shows_who_comes_and_goes(consul: Consul, name: str) -> None:
    async with asyncio.timeout(30), aclosing(consul.watch_health(name)) as answers:
        assert await anext(answers) == []
        await consul.register(registration(name))
        while not (instances := await anext(answers)):  # what is unchanged may come again
            continue
        assert [instance.id for instance in instances] == [f"{name}-1"]
        await consul.deregister(f"{name}-1")
        while await anext(answers):
            continue


async def test_watched_statuses_tell_of_the_sick_too(consul: Consul, name: str) -> None:
    async with asyncio.timeout(30), aclosing(consul.watch_statuses(name)) as answers:
        assert await anext(answers) == {}
        await consul.register(registration(name))
        while not (statuses := await anext(answers)):
            continue
        assert statuses.keys() == {f"{name}-1"}
        await consul.deregister(f"{name}-1")
        while await anext(answers):  # its check may have been heard of in between
            continue


async def test_a_blocking_query_waits_for_its_time_when_nothing_changes(consul: Consul, name: str) -> None:
    first = await consul.health(name)
    started = time.monotonic()
    again = await consul.health(name, index=first.index, wait_seconds=0.5)
    assert 0.5 <= time.monotonic() - started < 10
    assert again.value == []


async def test_a_watch_that_is_cancelled_in_the_middle_of_a_query_ends_at_once(
    consul: Consul, name: str
) -> None:
    async def follow() -> None:
        async with aclosing(consul.watch_health(name)) as answers:
            async for _ in answers:
                pass

    task = asyncio.create_task(follow())
    await asyncio.sleep(0.5)
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 10  # of the query's 30 s


async def test_the_leader_is_told(consul: Consul) -> None:
    assert (await consul.leader()).startswith("127.0.0.1:")


async def test_no_leader_is_an_error() -> None:
    nobody = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n""'
    async with scripted(nobody) as (address, _), Consul(address, timeout_seconds=20) as consul:
        with pytest.raises(ConsulError, match="no leader"):
            await consul.leader()


async def test_consul_away_is_an_error_that_can_be_retried_and_names_the_address() -> None:
    assert issubclass(ConsulError, Unavailable)
    async with Consul("127.0.0.1:1") as consul:
        with pytest.raises(ConsulError, match=r"http://127\.0\.0\.1:1 can't be reached"):
            await consul.health("any")


async def test_a_refusal_says_what_consul_said(consul: Consul, consul_url: str) -> None:
    with pytest.raises(ConsulError, match="400"):
        await consul.register(registration(""))
    async with Consul(consul_url, token=str(uuid.uuid4())) as stranger:
        with contextlib.suppress(ConsulError):
            await stranger.services()


async def test_a_query_that_is_not_answered_ends_with_the_clients_timeout() -> None:
    async with scripted(None) as (address, _), Consul(address, timeout_seconds=0.2) as consul:
        started = time.monotonic()
        with pytest.raises(ConsulError, match=r"no answer .* in 0\.2 s"):
            await consul.health("any")
        assert time.monotonic() - started < 10


async def test_a_blocking_query_is_given_consuls_jitter_of_a_sixteenth_before_it_times_out() -> None:
    async with scripted(None) as (address, asked), Consul(address, timeout_seconds=0.2) as consul:
        started = time.monotonic()
        with pytest.raises(ConsulError, match=r"in 1\.9 s"):
            await consul.health("any", index=7, wait_seconds=1.6)
        assert 1.6 * 17 / 16 < time.monotonic() - started < 10
        assert b"passing=true&index=7&wait=1.600s " in asked[0]


async def test_consistent_reads_say_so_to_consul() -> None:
    empty = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
    async with scripted(empty) as (address, asked), Consul(address, token="secret") as consul:
        await consul.health("any", consistent=True)
        await consul.health("any")
    assert b"consistent=" in asked[0]
    assert b"consistent" not in asked[1]
    assert b"x-consul-token: secret" in asked[0].lower()


async def test_calls_are_traced_and_blocking_queries_are_not(
    consul: Consul, name: str, spans: InMemorySpanExporter
) -> None:
    with telemetry.tracer().start_as_current_span("lookup"):
        answer = await consul.health(name)
        await consul.health(name, index=answer.index, wait_seconds=0.1)
    assert [span.name for span in spans.get_finished_spans()] == ["GET", "lookup"]
