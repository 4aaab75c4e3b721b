"""One cache, two processes: a cold entry is loaded once, whoever asks and whatever dies."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from workbook_lib.lab import Lab
from workbook_lib.lab.evidence import eventually, metric
from workbook_lib.lab.ports import PortAllocator, PortRequest

SERVICE = Path(__file__).with_name("loading_service.py")


class Pair:
    """Two processes of the demo, and the file in which they note their loads; of two values each has one."""

    def __init__(self, folder: Path, redis_url: str, **settings: str | tuple[str, str]) -> None:
        self.notes = folder / "notes"
        self.notes.touch()
        self.processes = []
        requests = [PortRequest(str(number)) for number in range(2)]
        self._reserved = list(PortAllocator().reserve_all(requests).values())
        with (folder / "log").open("ab") as log:
            for number, port in enumerate(self.ports):
                environment = {"DEMO_PORT": str(port), "DEMO_NOTES": str(self.notes), "REDIS_URL": redis_url}
                environment |= {
                    f"DEMO_{name}".upper(): value if isinstance(value, str) else value[number]
                    for name, value in settings.items()
                }
                self._reserved[number].hand_over()
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, SERVICE], env=os.environ | environment, stdout=log, stderr=log
                    )
                )

    @property
    def ports(self) -> list[int]:
        return [reserved.port for reserved in self._reserved]

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    @property
    def loads(self) -> list[int]:
        """The process ids of those who loaded, in order."""
        return [int(line) for line in self.notes.read_text().split()]

    async def ready(self, client: httpx2.AsyncClient) -> None:
        for url in self.urls:
            await eventually(lambda url=url: _answers(client, url), timeout_seconds=60)

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        for reserved in self._reserved:
            reserved.release()


async def _answers(client, url):
    try:
        return (await client.get(f"{url}/health")).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture
def pairs(tmp_path):
    made = []

    def make(redis_url, **settings):
        made.append(Pair(tmp_path, redis_url, **settings))
        return made[-1]

    yield make
    for pair in made:
        pair.end()


@pytest.fixture
async def client():
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        yield client


async def _ask_all(pair, callers):
    """The answers to `callers` requests, all sent before any is answered: their connections stand first."""
    addresses = [("127.0.0.1", pair.ports[number % 2]) for number in range(callers)]
    connections = [await asyncio.open_connection(*address) for address in addresses]
    for _, writer in connections:
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(reader.read() for reader, _ in connections))
    for _, writer in connections:
        writer.close()
        await writer.wait_closed()
    return [_Answer.of(answer) for answer in answers]


class _Answer(NamedTuple):
    """What came over one connection."""

    status: int
    cache_status: str
    by: int

    @classmethod
    def of(cls, answer):
        head, _, body = answer.decode().partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        return cls(int(first.split()[1]), headers["cache-status"], json.loads(body)["by"])


async def test_200_callers_of_a_cold_entry_over_two_processes_cause_exactly_one_load(
    pairs, client, redis_url
):
    pair = pairs(redis_url, lease_seconds="20", redis_seconds="20")
    await pair.ready(client)
    answers = await _ask_all(pair, 200)
    assert len(pair.loads) == 1
    assert {(answer.status, answer.by) for answer in answers} == {(200, pair.loads[0])}
    stored = [answer for answer in answers if "; stored" in answer.cache_status]
    assert len(stored) == 1
    counted = {
        result: sum(
            [await metric(f"{u}/metrics", "response_cache_requests_total", result=result) for u in pair.urls]
        )
        for result in ("hit", "miss", "collapsed")
    }
    assert counted["miss"] == 1
    assert sum(counted.values()) == 200
    # Invalidated in one process, it is loaded again, once, and both have the new one.
    await client.post(f"{pair.urls[1]}/changed")
    await _ask_all(pair, 200)
    assert len(pair.loads) == 2


async def test_without_protection_the_same_callers_are_a_stampede(pairs, client, redis_url):
    # A load takes longer than it takes a busy machine to read 200 requests.
    pair = pairs(redis_url, protected="false", seconds="4", lease_seconds="20", redis_seconds="20")
    await pair.ready(client)
    await _ask_all(pair, 200)
    assert len(pair.loads) > 100


async def test_when_the_process_that_loads_is_killed_the_other_takes_over_within_the_lease(
    pairs, client, redis_url
):
    # The first one's load doesn't end before it is killed.
    pair = pairs(redis_url, lease_seconds="6", seconds=("60", "0.2"))
    await pair.ready(client)
    first = asyncio.create_task(client.get(f"{pair.urls[0]}/slow"))
    await eventually(lambda: pair.loads)
    second = asyncio.create_task(client.get(f"{pair.urls[1]}/slow"))
    began = time.monotonic()
    await eventually(lambda: metric(f"{pair.urls[1]}/metrics", "http_requests_in_flight"))
    pair.processes[0].send_signal(signal.SIGKILL)
    with pytest.raises(httpx2.TransportError):
        await first
    answer = await second
    assert answer.status_code == 200
    assert pair.loads == [process.pid for process in pair.processes]
    assert 0.2 < time.monotonic() - began < 6 + 0.2 + 4


async def test_without_redis_answers_come_uncached_within_a_bound_and_with_it_they_are_cached_again(
    pairs, client, tmp_path
):
    async with Lab("response-cache", root=tmp_path) as lab:
        await lab.start("redis")
        pair = pairs(lab["redis"].environment["REDIS_URL"], seconds="0.1")
        await pair.ready(client)

        async def cached():
            answers = [await client.get(f"{url}/slow") for url in pair.urls]
            return all("hit" in answer.headers["cache-status"] for answer in answers)

        async def answered_uncached():
            for url in pair.urls * 3:
                began = time.monotonic()
                answer = await client.get(f"{url}/slow")
                assert (answer.status_code, time.monotonic() - began < 5) == (200, True)
                assert answer.headers["cache-status"] == "demo; fwd=miss; detail=store-unavailable"
            before = len(pair.loads)
            await _ask_all(pair, 50)
            assert len(pair.loads) - before <= 8, "each process still loads once for all that ask at once"

        await eventually(cached)
        os.kill(lab["redis"].pid, signal.SIGSTOP)  # it takes connections and never answers
        await answered_uncached()
        os.kill(lab["redis"].pid, signal.SIGCONT)
        await eventually(cached)
        await lab["redis"].kill()
        await answered_uncached()
