"""What a run imports once, its chapters are forked from: which only a process with one thread allows."""

import subprocess
import sys

import pytest

CODE = """
import os, sys
import workbook_lib.book.engine
threads = len(os.listdir("/proc/self/task"))
print(threads, "papermill.execute" in sys.modules, bool(sys.modules.get("pyarrow")))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux forks")
def test_importing_papermill_starts_no_thread():
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == ["1", "True", "False"]
