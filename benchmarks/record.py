"""Measure anew what the chapters show: every recorded benchmark, each as it was recorded, one after another.

`python -m benchmarks.record [NAME…]`. Nothing else should run on the machine: figures of a busy one are those
of its other work. So it refuses to begin when the load of the last minute is above a quarter of the cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys

from benchmarks.figures import RESULTS

__all__ = ["command_of", "recorded"]

BENCHMARK_SECONDS = 1800.0
QUIET = 0.25


def main() -> None:
    """Record again, or say which one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as frameworks; all when none is given")
    parser.add_argument("--busy", action="store_true", help="record on a machine that isn't quiet too")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    if not options.busy and load > QUIET * (os.cpu_count() or 1):
        parser.exit(1, f"the machine isn't quiet (load {load:.1f}): nothing was measured\n")
    for name in options.names or recorded():
        print(shlex.join(["python", *command_of(name)[1:]]), flush=True)
        subprocess.run(command_of(name), check=True, timeout=BENCHMARK_SECONDS)


def recorded() -> list[str]:
    """The benchmarks whose figures are recorded."""
    return sorted(path.stem for path in RESULTS.glob("*.json"))


def command_of(name: str) -> list[str]:
    """The command that records a benchmark again: with the arguments that it was recorded with."""
    path = RESULTS / f"{name}.json"
    before = shlex.split(json.loads(path.read_text())["command"])[3:] if path.is_file() else []
    return [sys.executable, "-m", f"benchmarks.{name}", *before, "--record"]


if __name__ == "__main__":
    main()
