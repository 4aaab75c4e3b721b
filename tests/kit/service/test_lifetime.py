"""Resources and workers: their order, their health, and their ends."""

import asyncio
import json

import pytest
from fastapi.testclient import TestClient

from workbook_lib.kit import errors, logs
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings


class Recorded:
    """A resource that writes down what happens to it."""

    def __init__(self, name: str, log: list[str], *, fails: str = "") -> None:
        self._name, self._log, self._fails = name, log, fails

    async def start(self) -> None:
        self._log.append(f"start {self._name}")
        if self._fails == "start":
            raise ConnectionError(self._name)

    async def stop(self) -> None:
        self._log.append(f"stop {self._name}")
        if self._fails == "stop":
            raise ConnectionError(self._name)
        if self._fails == "hang":
            await asyncio.Event().wait()


class Checked(Recorded):
    """A resource whose health is what it is told."""

    error: Exception | None = None
    hangs = False

    async def check(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


def demo(*resources, stop_grace_seconds=5.0) -> Service:
    settings = ServiceSettings(service="demo", port=9000, stop_grace_seconds=stop_grace_seconds)
    return Service(settings, title="Demo", resources=resources)


async def forever() -> None:
    await asyncio.Event().wait()


async def test_what_takes_in_work_starts_last_and_stops_first():
    log: list[str] = []

    async def worker() -> None:
        log.append("start worker")
        try:
            await forever()
        finally:
            log.append("stop worker")

    service = demo(Recorded("database", log))
    service.add_worker("worker", worker)
    service.add_rpc(Recorded("rpc", log))
    service.add_resource(Recorded("cache", log))
    async with service:
        await asyncio.sleep(0)
    assert log == [
        "start database",
        "start cache",
        "start rpc",
        "start worker",
        "stop rpc",
        "stop worker",
        "stop cache",
        "stop database",
    ]


async def test_starting_and_stopping_again_is_harmless():
    log: list[str] = []
    service = demo(Recorded("database", log))
    async with service:
        await service.start()
    await service.stop()
    assert log == ["start database", "stop database"]


@pytest.mark.parametrize("place", ["resource", "rpc"])
async def test_a_start_that_fails_stops_what_was_started(place):
    log: list[str] = []
    service = demo(Recorded("database", log))
    add = service.add_resource if place == "resource" else service.add_rpc
    add(Recorded("broken", log, fails="start"))
    service.add_worker("never", forever)
    with pytest.raises(ConnectionError, match="broken"):
        await service.start()
    assert log == ["start database", "start broken", "stop broken", "stop database"]


@pytest.mark.parametrize("fails", ["stop", "hang"])
async def test_one_that_does_not_stop_keeps_no_other_from_stopping(fails, capsys):
    logs.configure("demo", "demo-9000")
    log: list[str] = []
    service = demo(Recorded("database", log), Recorded("broken", log, fails=fails), stop_grace_seconds=0)
    async with asyncio.timeout(5):
        async with service:
            pass
    assert log[-2:] == ["stop broken", "stop database"]
    assert '"event":"resource didn\'t stop"' in capsys.readouterr().out


async def test_a_start_that_is_cancelled_stops_what_was_started():
    log: list[str] = []

    class Slow(Recorded):
        async def start(self) -> None:
            await forever()

    service = demo(Recorded("database", log), Slow("slow", log))
    task = asyncio.create_task(service.start())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["start database", "stop slow", "stop database"]


async def test_health_asks_each_resource_that_can_tell(calling):
    database, cache = Checked("database", []), Checked("cache", [])
    service = demo(database, Recorded("silent", []))
    service.add_resource(cache, "cache")
    async with calling(service) as client:
        answer = await client.get("/health")
        assert (answer.status_code, answer.json()["checks"]) == (200, {"checked": "ok", "cache": "ok"})
        database.error = errors.Unavailable("the database doesn't answer")
        cache.error = OSError("redis://:secret@r is away")
        answer = await client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")
    assert answer.json()["checks"] == {"checked": "the database doesn't answer", "cache": "OSError"}


async def test_a_check_that_hangs_is_cut_off(calling, monkeypatch):
    monkeypatch.setattr("workbook_lib.kit.service.health._CHECK_SECONDS", 0.05)
    database = Checked("database", [])
    database.hangs = True
    async with calling(demo(database)) as client:
        answer = await client.get("/health")
    assert (answer.status_code, answer.json()["checks"]) == (503, {"checked": "no answer in 0.05 s"})


async def test_two_resources_of_one_kind_are_told_apart(calling):
    async with calling(demo(Checked("a", []), Checked("b", []))) as client:
        assert (await client.get("/health")).json()["checks"] == {"checked": "ok", "checked-2": "ok"}


@pytest.mark.parametrize(("dies", "cause"), [(True, "died: ValueError"), (False, "ended by itself")])
async def test_a_worker_that_ends_makes_the_service_sick_and_is_logged_as_an_error(
    calling, capsys, dies, cause
):
    logs.configure("demo", "demo-9000")
    end = asyncio.Event()

    async def worker() -> None:
        await end.wait()
        if dies:
            raise ValueError("poison")

    service = demo()
    service.add_worker("relay", worker)
    async with calling(service) as client:
        assert (await client.get("/health")).json()["checks"] == {"worker relay": "ok"}
        end.set()
        answer = await client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"worker relay": cause}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["worker"] for line in lines if line["level"] == "error"] == ["relay"]


async def test_stopping_cancels_a_worker_without_a_word(capsys):
    logs.configure("demo", "demo-9000")
    service = demo()
    service.add_worker("relay", forever)
    async with service:
        await asyncio.sleep(0)
    assert "relay" not in capsys.readouterr().out


def test_the_apps_lifespan_is_the_services():
    log: list[str] = []
    with TestClient(demo(Recorded("database", log)).app) as client:
        assert client.get("/health").status_code == 200
    assert log == ["start database", "stop database"]
