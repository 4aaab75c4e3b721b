"""Run a program in a process group that ends when standard input does: `guard.py PROGRAM ARGUMENT…`.

Started with `-S -E`; standard library only. Its starter holds the other end of standard input, so
even a SIGKILL of the starter ends the program and what it started.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

__all__ = ["main"]


def main(argv: list[str]) -> int:
    """Run the program and return its exit code (128 + n when signal n ended it)."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)

    def end_with_starter() -> None:
        os.read(0, 1)  # nothing is ever written: this returns when the starter has gone
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    threading.Thread(target=end_with_starter, daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # the thread may still be reading, which an orderly exit waits for
