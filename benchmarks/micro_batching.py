"""What micro-batching is worth: the rate that the model service sustains at the same bound on p99.

`python -m benchmarks.micro_batching [--json] [--bound-ms 500] [--seconds 8] [--batch 32]`. Two instances of
services/nlp_model, one with batches of one, which is a forward pass a question, and one with `--batch`; both
compute in one thread. Held-out questions of data/faq come over gRPC at random moments: a Poisson process in
an open loop, where a late answer doesn't hold back the next one. A rate is sustained when all are answered
and 99 of 100 within the bound; it has two attempts, since the machine may be doing something else. The
highest is found by halving the interval between one that is and one that isn't, down to 3 %. `cpu_ms` is the
service's processor time for a question. What memory yields changes on a shared machine from minute to minute,
and one way needs more of it: so they take turns, `--rounds` times, and the middle counts. About six minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

import grpc
import psutil

from benchmarks.figures import add_options, publish
from services.contracts import nlp_pb2
from services.contracts.nlp_pb2_grpc import NlpServiceStub
from workbook_lib.lab import Lab
from workbook_lib.lab.handle import Handle

if TYPE_CHECKING:
    from services.contracts.nlp_pb2_grpc import NlpServiceAsyncStub

__all__ = ["Bench", "Row", "Trial", "compare"]

_QUESTIONS = Path(__file__).parents[1] / "data" / "faq" / "evaluation.json"
_PRECISION = 1.03
_ATTEMPTS = 2
_SEED = 5


@dataclass(frozen=True)
class Row:
    """One way at its highest rate; `gain` is the middle of the rounds' ratios to the first way."""

    way: str
    max_batch: int
    per_second: float
    gain: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    batch_size: float


@dataclass(frozen=True)
class Trial:
    """One rate, tried for some seconds."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    batch_size: float
    failed: int


class Bench:
    """One instance under test, and what asks it."""

    def __init__(self, handle: Handle, seconds: float, bound_ms: float) -> None:
        if handle.process is None:
            raise RuntimeError("only an instance of this lab can be measured")
        self._process = psutil.Process(handle.process.pid)
        self._address = handle.addresses["grpc"]
        self._seconds = seconds
        self._bound_ms = bound_ms
        self._questions = [each["question"] for each in json.loads(_QUESTIONS.read_text(encoding="utf-8"))]

    async def capacity(self, callers: int, seconds: float = 1.5) -> float:
        """Questions a second with so many callers who ask again as soon as they have an answer."""
        answered = 0
        async with grpc.aio.insecure_channel(self._address) as channel:
            stub = NlpServiceStub(channel)
            loop = asyncio.get_running_loop()
            over = loop.time() + seconds

            async def ask(number: int) -> None:
                nonlocal answered
                while loop.time() < over:
                    await stub.Answer(self._request(number + answered), timeout=10)
                    answered += 1

            await asyncio.gather(*(ask(number) for number in range(callers)))
        return answered / seconds

    async def sustained(self, per_second: float) -> Trial | None:
        """The trial of a rate that is sustained; None when it isn't."""
        for _ in range(_ATTEMPTS):
            trial = await self.trial(per_second)
            if trial.failed == 0 and trial.p99_ms <= self._bound_ms:
                return trial
        return None

    async def highest(self, capacity: float) -> Trial:
        """The highest rate that is sustained, to 3 %. Raises RuntimeError when a sixteenth of it isn't."""
        low, high, best = capacity, capacity * 1.2, None
        while best is None:
            low *= 0.8
            if low < capacity / 16:
                raise RuntimeError(f"{low:.1f} questions a second aren't answered in {self._bound_ms:g} ms")
            best = await self.sustained(low)
            high = high if best else low
        while high / low > _PRECISION:
            middle = (low * high) ** 0.5
            trial = await self.sustained(middle)
            if trial is None:
                high = middle
            else:
                low, best = middle, trial
        return best

    async def trial(self, per_second: float) -> Trial:
        """Ask at that rate."""
        chance = random.Random(_SEED)  # noqa: S311 - the same moments for all
        moments, moment = [], 0.0
        while moment < self._seconds:
            moments.append(moment)
            moment += chance.expovariate(per_second)
        cpu = self._cpu_seconds()
        async with grpc.aio.insecure_channel(self._address) as channel:
            stub = NlpServiceStub(channel)
            await stub.Answer(self._request(0))  # connects
            begin = asyncio.get_running_loop().time()
            answers = await asyncio.gather(*(self._ask(stub, n, begin + m) for n, m in enumerate(moments)))
        waits = sorted(ms for ms, _ in answers)
        cuts = quantiles(waits, n=100)
        return Trial(
            per_second=round(per_second, 1),
            p50_ms=round(cuts[49], 1),
            p99_ms=round(cuts[98], 1),
            cpu_ms=round((self._cpu_seconds() - cpu) * 1000 / len(moments), 2),
            batch_size=round(self._mean_size(answers), 1),
            failed=sum(size is None for _, size in answers),
        )

    async def _ask(self, stub: NlpServiceAsyncStub, number: int, due: float) -> tuple[float, int | None]:
        """Milliseconds from the due moment to the answer, and its batch's size; None when there was none."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(due - loop.time())
        call = stub.Answer(self._request(number), timeout=self._bound_ms / 1000 * 20)
        try:
            await call
            trailing = dict(await call.trailing_metadata())
        except grpc.aio.AioRpcError:
            return (loop.time() - due) * 1000, None
        return (loop.time() - due) * 1000, int(trailing["nlp-batch-size"])

    def _request(self, number: int) -> nlp_pb2.AnswerRequest:
        return nlp_pb2.AnswerRequest(question=self._questions[number % len(self._questions)])

    def _cpu_seconds(self) -> float:
        own = [self._process, *self._process.children(recursive=True)]  # the model is a process of its own
        times = [each.cpu_times() for each in own]
        return float(sum(each.user + each.system for each in times))

    @staticmethod
    def _mean_size(answers: Sequence[tuple[float, int | None]]) -> float:
        sizes = [size for _, size in answers if size]
        return sum(sizes) / len(sizes) if sizes else 0.0


async def compare(batch: int, seconds: float, bound_ms: float, rounds: int) -> list[Row]:
    """Both ways in turn, each at its highest rate; of its rounds the one in the middle."""
    ways = {"one by one": 1, "micro-batches": batch}
    trials: dict[str, list[Trial]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        async with Lab("benchmark", root=Path(folder)) as lab:
            benches = {}
            for instance, (way, size) in enumerate(ways.items(), start=1):
                env = {"NLP_MODEL_MAX_BATCH": str(size), "NLP_MODEL_MAX_WAITING": "5000"}
                await lab.start("nlp_model", instances=instance, env=env)
                benches[way] = Bench(lab["nlp_model", instance], seconds, bound_ms)
            for _ in range(rounds):
                for way, bench in benches.items():
                    trials[way].append(await bench.highest(await bench.capacity(max(8, 2 * ways[way]))))
    first, *_ = trials.values()
    return [_row(way, ways[way], done, first) for way, done in trials.items()]


def _row(way: str, size: int, rounds: Sequence[Trial], first: Sequence[Trial]) -> Row:
    middle = sorted(rounds, key=lambda trial: trial.per_second)[len(rounds) // 2]
    gains = [own.per_second / other.per_second for own, other in zip(rounds, first, strict=True)]
    return Row(
        way,
        size,
        middle.per_second,
        round(median(gains), 2),
        middle.p50_ms,
        middle.p99_ms,
        middle.cpu_ms,
        middle.batch_size,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--batch", type=int, default=32, help="largest batch of the second way")
    parser.add_argument("--bound-ms", type=float, default=500, help="within which 99 of 100 are answered")
    parser.add_argument("--seconds", type=float, default=8, help="how long each rate is tried")
    parser.add_argument("--rounds", type=int, default=3, help="how often both ways are measured, in turn")
    options = parser.parse_args()
    rows = asyncio.run(compare(options.batch, options.seconds, options.bound_ms, options.rounds))
    publish(rows, options, notes=[f"Of 100 questions 99 are answered within {options.bound_ms:g} ms."])


if __name__ == "__main__":
    main()
