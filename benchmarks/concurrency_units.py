"""What one parked unit of concurrency takes: an asyncio task, an operating-system thread, a goroutine.

`python -m benchmarks.concurrency_units [--json]`. Each kind is measured in a fresh process: its memory with
all units parked on one event, less its memory before, over their number. Memory is the proportional set size
on Linux, where shared pages count in part, and the resident set size elsewhere. Goroutines are measured where
`go` is on PATH. About 5 s; the first Go build on a machine compiles Go's own runtime too and takes longer.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.figures import add_options, publish

TASKS = 100_000
THREADS = 2_000
GOROUTINES = 100_000
MEASURE_SECONDS = 60.0
GO_BUILD_SECONDS = 120.0

GO_PROGRAM = """package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func memory() int {
	rollup, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int(stats.Sys)
	}
	_, after, _ := strings.Cut(string(rollup), "\\nPss:")
	kib, _ := strconv.Atoi(strings.Fields(after)[0])
	return kib * 1024
}

func main() {
	count, _ := strconv.Atoi(os.Args[1])
	parked := make(chan struct{})
	runtime.GC()
	before, began := memory(), time.Now()
	for range count {
		go func() { <-parked }()
	}
	for runtime.NumGoroutine() < count {
		runtime.Gosched()
	}
	seconds := time.Since(began).Seconds()
	fmt.Printf("{\\"units\\": %d, \\"seconds\\": %f, \\"bytes\\": %d}\\n", count, seconds, memory()-before)
}
"""


@dataclass(frozen=True)
class Row:
    """One kind of unit: how many were parked, in how many seconds, and the memory that each took."""

    what: str
    units: int
    seconds: float
    kib_each: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--only", choices=sorted(HERE), help="measure one kind in this very process")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(HERE[options.only]()))
        return
    publish(measure(), options)


def measure() -> Iterator[Row]:
    """One row a kind; goroutines only where `go` is on PATH."""
    for what in HERE:
        yield _row(what, [sys.executable, "-m", "benchmarks.concurrency_units", "--only", what])
    if go := shutil.which("go"):
        with tempfile.TemporaryDirectory() as folder:
            source, program = Path(folder) / "main.go", Path(folder) / "units"
            source.write_text(GO_PROGRAM)
            build = [go, "build", "-o", str(program), str(source)]
            subprocess.run(build, check=True, timeout=GO_BUILD_SECONDS, stdout=subprocess.DEVNULL)
            yield _row("goroutine", [str(program), str(GOROUTINES)])


def park_tasks(count: int = TASKS) -> dict[str, float]:
    """Park asyncio tasks on one event; their number, seconds to start, and bytes in all."""

    async def park() -> dict[str, float]:
        event = asyncio.Event()
        gc.collect()
        before, began = _memory(), time.perf_counter()
        tasks = [asyncio.create_task(event.wait()) for _ in range(count)]
        await asyncio.sleep(0)  # each runs as far as its wait
        report = {"units": count, "seconds": time.perf_counter() - began, "bytes": _memory() - before}
        event.set()
        await asyncio.gather(*tasks)
        return report

    return asyncio.run(park())


def park_threads(count: int = THREADS) -> dict[str, float]:
    """Park threads on one event, fewer where the system allows no more; reported as `park_tasks` does."""
    event = threading.Event()
    gc.collect()
    before, began = _memory(), time.perf_counter()
    threads: list[threading.Thread] = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=event.wait, daemon=True)
            thread.start()
            threads.append(thread)
    except RuntimeError:
        pass  # the limit of threads is reached; what runs is measured
    report = {"units": len(threads), "seconds": time.perf_counter() - began, "bytes": _memory() - before}
    event.set()
    for thread in threads:
        thread.join()
    return report


HERE: dict[str, Callable[[], dict[str, float]]] = {"asyncio task": park_tasks, "thread": park_threads}


def _row(what: str, command: list[str]) -> Row:
    printed = subprocess.run(command, check=True, timeout=MEASURE_SECONDS, stdout=subprocess.PIPE).stdout
    report = json.loads(printed)
    return Row(what, int(report["units"]), report["seconds"], report["bytes"] / report["units"] / 1024)


def _memory() -> int:
    """Bytes of this process."""
    full = psutil.Process().memory_full_info()
    return int(getattr(full, "pss", full.rss))


if __name__ == "__main__":
    main()
