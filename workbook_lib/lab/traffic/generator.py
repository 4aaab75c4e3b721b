"""The load itself, as it runs in the traffic process: an open or a closed model over one aiohttp session."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import aiohttp

__all__ = ["LoadPlan", "Recorder", "generate", "generate_together"]

MAX_SECONDS: Final = 120.0
MAX_REQUESTS: Final = 200_000
MAX_IN_FLIGHT: Final = 2_000
DISTINCT_REASONS: Final = 5
STALE_CONNECTIONS: Final = 4
IDEMPOTENT: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class LoadPlan:
    """What to send.

    With `rate` the model is open: requests are due at that rate (a second) whatever the answers do, and a
    latency counts from when the request was due, so that a stalled server can't hide its queue (coordinated
    omission). Without it the model is closed: `concurrency` clients, each sending its next request when it
    has its answer.
    """

    url: str
    method: str = "GET"
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    rate: float | None = None
    concurrency: int = 10
    seconds: float = 5.0
    warmup_seconds: float = 0.0
    after_seconds: float = 0.0
    """How long it waits before its first request: several plans that are sent together make a burst."""
    max_requests: int = 100_000
    timeout_seconds: float = 5.0
    label_header: str = ""
    """The header of the answer that tells samples apart, such as X-Version."""
    ca_file: str = ""
    """The authority of an HTTPS server's certificate; "" for those that the system trusts."""

    def __post_init__(self) -> None:
        bounds: dict[str, tuple[float, float, float]] = {
            "seconds": (0, self.seconds, MAX_SECONDS),
            "max_requests": (0, self.max_requests, MAX_REQUESTS),
            "concurrency": (0, self.concurrency, MAX_IN_FLIGHT),
            "timeout_seconds": (0, self.timeout_seconds, MAX_SECONDS),
            "rate": (0, 1 if self.rate is None else self.rate, MAX_REQUESTS),
            "warmup_seconds": (-1, self.warmup_seconds, MAX_SECONDS),
            "after_seconds": (-1, self.after_seconds, MAX_SECONDS),
        }
        for name, (low, value, high) in bounds.items():
            if not low < value <= high:
                raise ValueError(f"{name} is {value:g}; it must lie above {max(low, 0):g} and up to {high:g}")

    @property
    def what(self) -> str:
        """The model in words."""
        return f"{self.concurrency} at a time" if self.rate is None else f"{self.rate:g} due a second"

    def to_wire(self) -> dict[str, Any]:
        """The plan as the traffic process reads it."""
        return {"job": "load", "plan": asdict(self)}


class Recorder:
    """Collects one row a request, in columns that travel well as JSON.

    Starts count from `began` (on time.perf_counter), by default from now.
    """

    def __init__(self, began: float | None = None) -> None:
        self.began = self.ended = time.perf_counter() if began is None else began
        self._columns: dict[str, list[float]] = {"start_seconds": [], "latency_ms": [], "status": []}
        self._labels: list[str] = []
        self._reasons: Counter[str] = Counter()

    def add(self, due: float, status: int, reason: str, label: str = "") -> None:
        """Note a request that just ended and was due at `due` (on time.perf_counter)."""
        self.ended = time.perf_counter()
        self._columns["start_seconds"].append(round(due - self.began, 6))
        self._columns["latency_ms"].append(round((self.ended - due) * 1000, 3))
        self._columns["status"].append(status)
        self._labels.append(label)
        if reason:
            self._reasons[reason] += 1

    def to_wire(self) -> dict[str, Any]:
        """The columns, the seconds until the last answer, and the commonest reasons of failures."""
        reasons = dict(self._reasons.most_common(DISTINCT_REASONS))
        labels = {"label": self._labels} if any(self._labels) else {}
        return {**self._columns, **labels, "seconds": self.ended - self.began, "reasons": reasons}


async def generate(plan: LoadPlan, over: asyncio.Event) -> dict[str, Any]:
    """Send what the plan says, a warm-up first that isn't counted, and return the recorded columns.

    Once `over` is set, no further request is sent; those under way are waited for.
    """
    async with _session(plan) as session:
        if plan.warmup_seconds:
            await _model(plan)(session, replace(plan, seconds=plan.warmup_seconds), Recorder(), over)
        recorder = Recorder()
        await _model(plan)(session, plan, recorder, over)
        return recorder.to_wire()


async def generate_together(plans: Mapping[str, LoadPlan], began: float) -> dict[str, dict[str, Any]]:
    """Send several plans at the same time, their starts counted from `began`; no warm-up. Columns by name."""

    async def one(plan: LoadPlan) -> dict[str, Any]:
        recorder = Recorder(began)
        async with _session(plan) as session:
            await _model(plan)(session, plan, recorder, asyncio.Event())
        return recorder.to_wire()

    answers = await asyncio.gather(*(one(plan) for plan in plans.values()))
    return dict(zip(plans, answers, strict=True))


def _session(plan: LoadPlan) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=plan.concurrency if plan.rate is None else MAX_IN_FLIGHT,
        ssl=ssl.create_default_context(cafile=plan.ca_file) if plan.ca_file else True,
    )
    timeout = aiohttp.ClientTimeout(total=plan.timeout_seconds)
    return aiohttp.ClientSession(connector=connector, timeout=timeout)


def _model(
    plan: LoadPlan,
) -> Callable[[aiohttp.ClientSession, LoadPlan, Recorder, asyncio.Event], Awaitable[None]]:
    return _closed if plan.rate is None else _open


async def _closed(
    session: aiohttp.ClientSession, plan: LoadPlan, recorder: Recorder, over: asyncio.Event
) -> None:
    left = itertools.repeat(None, plan.max_requests)
    start = recorder.began + plan.after_seconds
    await _until(start)

    async def client() -> None:
        while (due := time.perf_counter()) < start + plan.seconds and next(left, False) is None:
            if over.is_set():
                return
            await _send(session, plan, due, recorder)

    await asyncio.gather(*(client() for _ in range(plan.concurrency)))


async def _open(
    session: aiohttp.ClientSession, plan: LoadPlan, recorder: Recorder, over: asyncio.Event
) -> None:
    rate = plan.rate or 1.0
    start = recorder.began + plan.after_seconds
    under_way: set[asyncio.Task[None]] = set()
    for number in range(min(plan.max_requests, round(plan.seconds * rate))):
        due = start + number / rate
        await _until(due)
        if over.is_set():
            break
        task = asyncio.create_task(_send(session, plan, due, recorder))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)


async def _until(due: float) -> None:
    if (wait := due - time.perf_counter()) > 0:
        await asyncio.sleep(wait)


async def _send(session: aiohttp.ClientSession, plan: LoadPlan, due: float, recorder: Recorder) -> None:
    status, reason, label = 0, "", ""
    try:
        async with await _sent(session, plan) as answer:
            await answer.read()
            status = answer.status
            label = answer.headers.get(plan.label_header, "") if plan.label_header else ""
            if status >= 400:
                reason = f"{status} {answer.reason}"
    except TimeoutError:
        reason = f"no answer within {plan.timeout_seconds:g} s"
    except (aiohttp.ClientError, OSError) as error:
        reason = f"{type(error).__name__}: {error}"
    recorder.add(due, status, reason, label)


async def _sent(session: aiohttp.ClientSession, plan: LoadPlan) -> aiohttp.ClientResponse:
    """The answer's beginning; sent again where a kept connection was closed meanwhile (RFC 9112, 9.3.1).

    aiohttp does so once. A proxy that reloads closes all idle ones, and the next in the pool is one of them.
    """
    again = STALE_CONNECTIONS if plan.method in IDEMPOTENT else 0
    while True:
        try:
            return await session.request(plan.method, plan.url, json=plan.json, headers=plan.headers)
        except aiohttp.ServerDisconnectedError:
            if not again:
                raise
            again -= 1
