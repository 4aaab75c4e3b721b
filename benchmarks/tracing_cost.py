"""What tracing costs a request: without it, with a sampler that says no, and recorded and sent.

`python -m benchmarks.tracing_cost [--json] [--rounds 7] [--seconds 1.5]`. One service on the kit three times:
`off` has errors, metrics and logs, and makes no span; `unsampled` makes each request's context and records
nothing; `sampled` records a span for each request and sends it to a collector. The requests are those of
`benchmarks.service_stack`; the three take turns, and processor time is what is compared: the exporting
thread's is in it, and what else the machine does isn't.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.figures import add_options, publish
from benchmarks.load import Load
from benchmarks.rounds import Way, interleaved, least, middle
from benchmarks.service_stack import HANDLERS
from benchmarks.serving import all_served, python, served

__all__ = ["Row", "measure"]

WAYS = {"off": ("logs", "always_on"), "unsampled": ("kit", "always_off"), "sampled": ("kit", "always_on")}
"""The stage of the edge, and OpenTelemetry's sampler."""


@dataclass(frozen=True)
class Row:
    """One handler traced one way. `cpu_us` is processor time a request in the way's best round.

    `added_us` is what that is more than without tracing, and `ratio` how many times as much it is.
    """

    handler: str
    tracing: str
    per_second: float
    cpu_us: float
    added_us: float
    ratio: float
    p50_ms: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.5, help="of load, each time")
    options = parser.parse_args()
    publish(measure(options.rounds, options.seconds), options)


def measure(rounds: int, seconds: float) -> Iterator[Row]:
    """One row a handler and way. Raises RuntimeError when a request failed."""
    with ExitStack() as running:
        sink = running.enter_context(served(python("benchmarks.stack.sink", "{port}")))
        starting = {
            name: served(
                python("benchmarks.stack.apps", stage, "{port}", sink.url),
                env={"OTEL_TRACES_SAMPLER": sampler},
            )
            for name, (stage, sampler) in WAYS.items()
        }
        servers = all_served(running, starting)
        for handler, (path, body) in HANDLERS.items():
            ways = {
                name: Way(each, Load(each.url + path, seconds, body=body)) for name, each in servers.items()
            }
            samples = interleaved(ways, rounds)
            plain = least(samples["off"], lambda each: each.cpu_us)
            for name, own in samples.items():
                cpu_us = least(own, lambda each: each.cpu_us)
                yield Row(
                    handler=handler,
                    tracing=name,
                    per_second=middle(own, lambda each: each.measured.per_second, 1),
                    cpu_us=cpu_us,
                    added_us=round(cpu_us - plain, 1),
                    ratio=round(cpu_us / plain, 3),
                    p50_ms=middle(own, lambda each: each.measured.p50_ms),
                )


if __name__ == "__main__":
    main()
