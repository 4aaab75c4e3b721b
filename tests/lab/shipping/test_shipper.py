"""The shipper as a process, with a real store that is killed, and a backup that is brought back."""

import json

import pytest

from workbook_lib.lab import Lab, LabError, command, evidence, shipping
from workbook_lib.lab.shipping.shipper import ShipperSettings, build

LINES = 3000


@pytest.fixture
async def lab(tmp_path):
    async with Lab("shipping", root=tmp_path) as lab:
        yield lab


def _write(file, first, count):
    with file.open("a") as log:
        for number in range(first, first + count):
            line = {"time": "2026-01-01T00:00:00Z", "level": "info", "event": "counted", "number": number}
            log.write(json.dumps(line) + "\n")


async def _counted(url):
    (counts,) = await evidence.logs(
        url, "counted | stats count() as lines, count_uniq(record) as records, count_uniq(number) as numbers"
    )
    return {name: int(value) for name, value in counts.items()}


async def _arrived(url, count):
    async def there():
        counts = await _counted(url)
        return counts if counts["numbers"] == count else None

    return await evidence.eventually(there, timeout_seconds=30)


async def _is_up(shipper, sink, value):
    return await evidence.metric(f"{shipper.url}/metrics", "log_sink_up", sink=sink) == value


async def test_a_store_that_is_killed_and_started_again_has_every_line(lab):
    shipper = await lab.ship_logs()
    url, log = lab.environment["LOGS_URL"], lab.folder / "counting.log"
    _write(log, 0, LINES)
    await _arrived(url, LINES)
    _write(log, LINES, 500)  # perhaps taken, perhaps in the store's memory only
    await lab["victorialogs"].kill()
    _write(log, LINES + 500, 500)
    await evidence.eventually(lambda: "sink away" in shipper.log_tail(50))
    await evidence.eventually(lambda: _is_up(shipper, "store", 0))
    await evidence.eventually(lambda: _is_up(shipper, "cold", 1))
    await lab.start("victorialogs")
    counts = await _arrived(url, LINES + 1000)
    assert counts["records"] == LINES + 1000 <= counts["lines"]


async def test_a_backup_is_brought_back_into_an_empty_store_with_the_same_records(lab, tmp_path):
    shipper = await lab.ship_logs(rotate_bytes=50_000)
    url, log = lab.environment["LOGS_URL"], lab.folder / "counting.log"
    _write(log, 0, 1000)
    await _arrived(url, 1000)
    _write(log, 1000, 1)
    with log.open("a") as unfinished:
        unfinished.write("its writer was killed here")
    assert await shipper.stop() == 0  # which ships the rest
    await _arrived(url, 1001)  # a store shows a line a moment after it has taken it
    cold = shipper.folder / "cold"
    segments = shipping.verify(cold)
    assert len(segments) > 2
    assert [path.suffix for path in cold.glob("0*")] == [".gz"] * len(segments)

    async with Lab("restored", root=tmp_path) as other:
        await other.start("victorialogs")
        empty = other.environment["LOGS_URL"]
        assert (await _counted(empty))["lines"] == 0
        restored = await shipping.restore(cold, empty)
        assert restored == sum(segment.records for segment in segments)
        counts = await _arrived(empty, 1001)
        assert counts == {"lines": 1001, "records": 1001, "numbers": 1001}
        (last,) = await evidence.eventually(lambda: evidence.logs(empty, '"its writer was killed here"'))
        assert last["service"] == "counting"


async def test_the_services_last_lines_are_shipped_before_the_lab_stops(tmp_path):
    async with Lab("last-lines", root=tmp_path) as lab:
        shipper = await lab.ship_logs()
        await lab.start("welcome")  # after it, and yet stopped before it
        cold = shipper.folder / "cold"
    said = command.run("gzip", "-dc", *sorted(cold.glob("*.gz"))).text
    events = [json.loads(line)["event"] for line in said.splitlines() if '"service": "welcome"' in said]
    assert "stopped" in events


async def test_shipping_twice_is_one_shipper(lab):
    assert await lab.ship_logs() is await lab.ship_logs()


async def test_the_shipper_serves_its_health_and_is_told_what_it_needs(tmp_path):
    settings = ShipperSettings(logs=tmp_path, state=tmp_path / "state", store_url="http://127.0.0.1:1")
    (tmp_path / "a.log").write_text("one\n")
    async with build(settings) as service:

        def shipped():
            return service.metrics.registry.get_sample_value("log_records_shipped_total", {"sink": "cold"})

        await evidence.eventually(shipped)
        assert shipped() == 1, "a store that is away holds up no other sink"
        assert (tmp_path / "state" / "cold" / "000001.jsonl").exists()


async def test_a_server_that_cant_be_had_is_skipped_in_so_many_words(lab, monkeypatch, capsys):
    monkeypatch.setenv("WORKBOOK_RABBITMQ", "/nowhere/rabbitmq-server")
    monkeypatch.delenv("AMQP_URL", raising=False)
    assert await lab.try_start("rabbitmq") is None
    said = capsys.readouterr().out
    assert said.startswith("Skipped: rabbitmq. WORKBOOK_RABBITMQ=/nowhere/rabbitmq-server can't be used")
    assert "set AMQP_URL to a running RabbitMQ" in said


async def test_a_server_that_can_be_had_and_does_not_start_is_an_error_not_a_skip(lab, monkeypatch):
    monkeypatch.setenv("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/")
    with pytest.raises(LabError, match=r"rabbitmq: your own server .* isn't ready"):
        await lab.try_start("rabbitmq")
