"""What Kafka costs through the kit, through bare aiokafka and confluent-kafka, and what an outbox carries.

`python -m benchmarks.messaging [--json] [--rounds 5] [--messages 5000] [--only "send many" …]`. All ways send
the same keyed messages (200 bytes of JSON) to topics of three partitions of one Kafka, with acks=all and
idempotence, and receive them with a commit after each poll; spans go nowhere. The outbox lies in an SQLite
file. The ways of a kind take turns, every other round in reverse order, and a share is the median of the
rounds' ratios to the first way, so that what else the machine does meets all. `cpu_us` is this process's
processor time for one message in the best round, threads of librdkafka included. About 60 s.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import structlog
import uvloop

from benchmarks.figures import add_options, publish
from benchmarks.kafka_ways import KINDS, Bodies, Stopwatch, Turn, bodies
from workbook_lib.lab import Lab

__all__ = ["Row", "measure"]

TURN_SECONDS = 120.0


@dataclass(frozen=True)
class Row:
    """One way; medians of the rounds, `share_low` and `share_high` are the rounds' extremes."""

    kind: str
    way: str
    per_second: float
    share: float
    share_low: float
    share_high: float
    cpu_us: float


def measure(kinds: Iterable[str] = tuple(KINDS), rounds: int = 5, messages: int = 5000) -> list[Row]:
    """A row a way, against a Kafka of the benchmark's own or the one that KAFKA_BOOTSTRAP_SERVERS names."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))

    async def all_rows() -> list[Row]:
        with tempfile.TemporaryDirectory() as folder:
            async with Lab("benchmark", root=Path(folder)) as lab:
                await lab.start("kafka")
                bootstrap = lab["kafka"].environment["KAFKA_BOOTSTRAP_SERVERS"]
                return [
                    row for kind in kinds for row in await _rows(kind, bootstrap, rounds, bodies(messages))
                ]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as services run
        return runner.run(all_rows())


async def _rows(kind: str, bootstrap: str, rounds: int, messages: Bodies) -> list[Row]:
    async with AsyncExitStack() as running:
        turns = {
            way: await running.enter_async_context(make(bootstrap, messages))
            for way, make in KINDS[kind].items()
        }
        for turn in turns.values():
            await _timed(turn)  # warms up what is made at the first message
        watches: dict[str, list[Stopwatch]] = {way: [] for way in turns}
        for number in range(rounds):
            for way in turns if number % 2 == 0 else reversed(list(turns)):
                watches[way].append(await _timed(turns[way]))
    first = next(iter(watches.values()))
    return [_row(kind, way, own, first, len(messages)) for way, own in watches.items()]


async def _timed(turn: Turn) -> Stopwatch:
    watch = Stopwatch()
    gc.collect()
    async with asyncio.timeout(TURN_SECONDS):
        await turn(watch)
    return watch


def _row(kind: str, way: str, own: Sequence[Stopwatch], first: Sequence[Stopwatch], messages: int) -> Row:
    shares = [other.seconds / each.seconds for each, other in zip(own, first, strict=True)]
    return Row(
        kind=kind,
        way=way,
        per_second=round(messages / median(each.seconds for each in own)),
        share=round(median(shares), 3),
        share_low=round(min(shares), 3),
        share_high=round(max(shares), 3),
        cpu_us=round(min(each.cpu_seconds for each in own) / messages * 1e6, 1),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=5000, help="in each turn")
    parser.add_argument("--only", nargs="+", choices=tuple(KINDS), default=tuple(KINDS))
    options = parser.parse_args()
    publish(measure(options.only, options.rounds, options.messages), options)


if __name__ == "__main__":
    main()
