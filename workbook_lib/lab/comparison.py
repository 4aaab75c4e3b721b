"""What a way of committing an order costs: its latency, the locks that it holds meanwhile, its code."""

from __future__ import annotations

import ast
import asyncio
import io
import statistics
import time
import tokenize
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import asyncpg

from workbook_lib.lab.run_folder import project_root
from workbook_lib.lab.traffic import LoadResult, Sample

__all__ = [
    "Cost",
    "LockWatch",
    "Place",
    "Way",
    "Write",
    "code_lines",
    "compare",
    "place_orders",
    "try_to_write",
    "watch_locks",
]

Place = Callable[[int], Awaitable[object]]
"""Places the order of that number and returns when it is confirmed; raises when it isn't."""


@dataclass(frozen=True)
class Way:
    """A way of placing orders, and the table of the PostgreSQL database in which they all want one row."""

    place: Place
    database_url: str
    table: str = "items"


@dataclass(frozen=True)
class Cost:
    """All orders placed in one way, and how long one held its locks (ms, the median of the rounds)."""

    result: LoadResult
    locked_ms: float


SAMPLE_SECONDS = 0.001
ORDER_SECONDS = 20.0
NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE),
    *(tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
}
# A transaction that has written to a table holds this lock on it until it ends, also when it is prepared.
HOLDERS = """
    SELECT count(*) FROM pg_locks
    WHERE relation = $1::text::regclass AND mode = 'RowExclusiveLock' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def compare(
    ways: Mapping[str, Way], *, rounds: int = 4, orders: int = 4, concurrency: int = 1
) -> dict[str, Cost]:
    """Place orders in each way, `orders` a round; the ways take turns, so that noise hits none alone.

    Raises RuntimeError when an order isn't confirmed.
    """
    results: dict[str, list[LoadResult]] = {name: [] for name in ways}
    locked: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        await way.place(0)  # opens connections
    for _ in range(rounds):
        for name, way in ways.items():
            async with watch_locks(way.database_url, way.table) as locks:
                result = await place_orders(name, way.place, orders=orders, concurrency=concurrency, warmup=0)
            if result.failures:
                raise RuntimeError(f"{name}: {result.failures} of {orders} orders failed, {result.reasons}")
            results[name].append(result)
            locked[name].append(locks.held_ms(orders))
    return {name: Cost(_joined(results[name]), statistics.median(locked[name])) for name in ways}


async def place_orders(
    what: str, place: Place, *, orders: int, concurrency: int = 1, warmup: int = 3
) -> LoadResult:
    """Place `orders` orders, `concurrency` at a time; the latency of each is until it is confirmed.

    One that fails, or takes more than 20 s, counts as a failure by the name of its error. The first `warmup`
    orders, which open connections, aren't counted.
    """
    for number in range(warmup):
        await place(number)
    samples: list[Sample] = []
    reasons: dict[str, int] = {}
    numbers = iter(range(warmup, warmup + orders))
    started = time.perf_counter()

    async def customer() -> None:
        for number in numbers:
            begun = time.perf_counter()
            status = 200
            try:
                await asyncio.wait_for(place(number), ORDER_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                status = 500
                reasons[type(error).__name__] = reasons.get(type(error).__name__, 0) + 1
            samples.append(Sample(begun - started, (time.perf_counter() - begun) * 1000, status))

    await asyncio.gather(*(customer() for _ in range(concurrency)))
    return LoadResult(what, time.perf_counter() - started, tuple(sorted(samples)), reasons)


def _joined(results: Sequence[LoadResult]) -> LoadResult:
    """One after the other, as if without the pauses between them."""
    timeline: list[Sample] = []
    seconds = 0.0
    for each in results:
        timeline += [
            sample._replace(start_seconds=sample.start_seconds + seconds) for sample in each.timeline
        ]
        seconds += each.seconds
    return LoadResult(results[0].what, seconds, tuple(timeline), {})


class LockWatch:
    """How many transactions held locks on rows of a table, looked at again and again."""

    def __init__(self) -> None:
        self.samples: list[int] = []
        self.seconds = 0.0

    @property
    def mean_holders(self) -> float:
        """How many transactions held locks at an average moment."""
        return sum(self.samples) / len(self.samples) if self.samples else 0.0

    def held_ms(self, orders: int) -> float:
        """How long each of `orders` held its locks, by Little's law: mean number there = rate x stay."""
        return self.mean_holders * self.seconds / orders * 1000


@asynccontextmanager
async def watch_locks(database_url: str, table: str) -> AsyncIterator[LockWatch]:
    """Watch the row locks on a table of a PostgreSQL database while the block runs."""
    connection = await asyncpg.connect(database_url, timeout=5)
    watch = LockWatch()
    started = time.perf_counter()

    async def look() -> None:
        while True:
            watch.samples.append(await connection.fetchval(HOLDERS, table))
            await asyncio.sleep(SAMPLE_SECONDS)

    looking = asyncio.create_task(look())
    try:
        yield watch
    finally:
        watch.seconds = time.perf_counter() - started
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        connection.terminate()


class Write(NamedTuple):
    """Whether a statement was carried out, and after how many seconds that was known."""

    done: bool
    seconds: float


async def try_to_write(database_url: str, statement: str, *, patience_seconds: float = 1.0) -> Write:
    """Carry out a statement on a PostgreSQL database, waiting so long for rows that others have locked."""
    connection = await asyncpg.connect(database_url, timeout=5)
    started = time.perf_counter()
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = {round(patience_seconds * 1000)}")
            await connection.execute(statement)
    except asyncpg.LockNotAvailableError:
        return Write(done=False, seconds=time.perf_counter() - started)
    finally:
        connection.terminate()
    return Write(done=True, seconds=time.perf_counter() - started)


def code_lines(*places: str) -> int:
    """How many lines of code files of the project have: no blank ones, comments or docstrings.

    A place is a file, a package's folder, or `file:name` for a function or class (`file:Outer.inner`) in it.
    Raises LookupError for a name that isn't there.
    """
    total = 0
    for place in places:
        path, _, name = place.partition(":")
        found = project_root() / path
        total += sum(_code_lines(file, name) for file in (found.rglob("*.py") if found.is_dir() else [found]))
    return total


def _code_lines(file: Path, name: str) -> int:
    text = file.read_text(encoding="utf-8")
    tree: ast.AST = ast.parse(text)
    for part in name.split(".") if name else ():
        tree = _inner(tree, part, f"{file.name} has no {name}")
    first = getattr(tree, "lineno", 1)
    last = getattr(tree, "end_lineno", None) or len(text.splitlines())
    said = set().union(*(_docstring(node) for node in ast.walk(tree)))
    return len([line for line in _lines_with_code(text) if first <= line <= last and line not in said])


def _inner(tree: ast.AST, name: str, complaint: str) -> ast.AST:
    for node in ast.iter_child_nodes(tree):
        if getattr(node, "name", None) == name:
            return node
    raise LookupError(complaint)


def _docstring(node: ast.AST) -> set[int]:
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        return set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return set()


def _lines_with_code(text: str) -> set[int]:
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines
