"""What the kit's edge costs: a bare FastAPI app against the same app as a service, with all of it on.

`python -m benchmarks.service_stack [--json] [--rounds 7] [--seconds 1.5] [--stages]`. Error bodies, access
log, metrics, and spans sent to a collector (OTEL_EXPORTER_OTLP_ENDPOINT, else a process that takes OTLP and
counts) against FastAPI alone, both on uvicorn with httptools and uvloop, one process each. Load comes from
other processes. The two take turns, each is first in every other round, and a ratio is the median of the
rounds' ratios, so that what else the machine does meets both. `--stages` measures each part of the edge too.

Two handlers: `order` validates an order of ten lines (1.6 kB of JSON), prices it and answers through its
response model, which is what a service with business rules does when it doesn't wait; a database or another
service behind the handler would only hide the edge behind more waiting. `nothing` answers {"hello": name}:
the worst case, which no service is.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from benchmarks.figures import add_options, publish
from benchmarks.load import Load
from benchmarks.rounds import Sample, Way, interleaved, least, middle, ratios
from benchmarks.serving import Served, all_served, python, served
from benchmarks.stack import STAGES

__all__ = ["Row", "measure"]

ORDER = {
    "customer": "user123",
    "placed_at": "2026-11-25T12:00:00Z",
    "currency": "EUR",
    "ship_to": {
        "name": "Ada Lovelace",
        "street": "12 St James's Square",
        "city": "London",
        "postal_code": "SW1Y 4JH",
        "country": "GB",
    },
    "lines": [
        {
            "sku": f"keyboard-{number}",
            "title": f"Mechanical keyboard, model {number}, with a numeric block and brown switches",
            "quantity": number + 1,
            "unit_price": f"{49 + number}.90",
        }
        for number in range(10)
    ],
}
HANDLERS: dict[str, tuple[str, bytes | None]] = {
    "order": ("/orders", json.dumps(ORDER).encode()),
    "nothing": ("/nothing/ada", None),
}

EXPORT_SECONDS = 15.0  # spans are sent in batches, from a thread beside the work


@dataclass(frozen=True)
class Row:
    """One handler behind one stage of the edge; medians of the rounds.

    `share` is of the bare app's throughput in the same round, `share_low` and `share_high` the rounds'
    extremes. `cpu_us` is the server's processor time a request in its best round, its exporting thread
    included, and `cpu_share` the bare app's over it: the share if nothing else ran on the machine.
    """

    handler: str
    stage: str
    per_second: float
    share: float
    share_low: float
    share_high: float
    cpu_us: float
    cpu_share: float
    p50_ms: float
    p99_ms: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.5, help="of load, each time")
    parser.add_argument("--only", nargs="+", choices=tuple(HANDLERS), default=tuple(HANDLERS))
    parser.add_argument("--stages", action="store_true", help="each part of the edge, not only none and all")
    options = parser.parse_args()
    stages = STAGES if options.stages else ("bare", "kit")
    publish(measure(stages, options.rounds, options.seconds, options.only), options)


def measure(
    stages: Sequence[str], rounds: int, seconds: float, handlers: Sequence[str] = tuple(HANDLERS)
) -> Iterator[Row]:
    """One row a handler and stage; the first stage is what the others are compared with.

    Raises RuntimeError when a request failed, or the collector didn't get the spans: then something else
    would have been measured.
    """
    with ExitStack() as running:
        endpoint = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        sink = None if endpoint else running.enter_context(served(python("benchmarks.stack.sink", "{port}")))
        collector = sink.url if sink else endpoint or ""
        starting = {
            stage: served(python("benchmarks.stack.apps", stage, "{port}", collector)) for stage in stages
        }
        servers = all_served(running, starting)
        for handler in handlers:
            yield from _rows(handler, servers, rounds, seconds)
        if sink and "kit" in servers:
            _check(sink, servers["kit"])


def _rows(handler: str, servers: Mapping[str, Served], rounds: int, seconds: float) -> Iterator[Row]:
    path, body = HANDLERS[handler]
    ways = {stage: Way(each, Load(each.url + path, seconds, body=body)) for stage, each in servers.items()}
    samples = interleaved(ways, rounds)
    first = next(iter(samples.values()))

    def cpu_us(each: Sample) -> float:
        return each.cpu_us

    for stage, own in samples.items():
        shares = ratios(own, first, lambda each: each.measured.per_second)
        yield Row(
            handler=handler,
            stage=stage,
            per_second=middle(own, lambda each: each.measured.per_second, 1),
            share=round(median(shares), 3),
            share_low=round(min(shares), 3),
            share_high=round(max(shares), 3),
            cpu_us=least(own, cpu_us),
            cpu_share=round(least(first, cpu_us) / least(own, cpu_us), 3),
            p50_ms=middle(own, lambda each: each.measured.p50_ms),
            p99_ms=middle(own, lambda each: each.measured.p99_ms),
        )


def _check(sink: Served, kit: Served) -> None:
    """All of it was on: each request has a line in the log, and soon nearly each a span at the collector."""
    lines = kit.log.read_text().count('"event":"request"')
    until = time.monotonic() + EXPORT_SECONDS
    while (spans := _spans(sink)) < 0.9 * lines:
        if time.monotonic() > until:
            raise RuntimeError(f"{lines} requests were logged, but the collector has {spans} spans")
        time.sleep(0.1)


def _spans(sink: Served) -> int:
    with urllib.request.urlopen(sink.url, timeout=5) as answer:  # noqa: S310 - always http on loopback
        return int(json.load(answer)["spans"])


if __name__ == "__main__":
    main()
