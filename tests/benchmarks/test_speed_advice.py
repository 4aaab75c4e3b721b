"""Each piece of advice is tried beside its opposite, and the sure ones come out as they must."""

import json
import subprocess
import sys

import pytest

from benchmarks.speed_advice import TOPICS

pytestmark = pytest.mark.alone


@pytest.mark.timeout(400)
def test_every_topic_is_measured_against_its_first_way():
    command = [sys.executable, "-m", "benchmarks.speed_advice", "--json", "--rounds", "1", "--seconds", "0.3"]
    done = subprocess.run(command, check=False, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["topic"] for row in rows] == sorted((row["topic"] for row in rows), key=list(TOPICS).index)
    for topic in TOPICS:
        ways = [row for row in rows if row["topic"] == topic]
        assert len(ways) >= 2
        assert ways[0]["ratio"] == 1
        assert all(row["cpu_us"] > 0 for row in ways)
    found = {row["way"]: row for row in rows}
    # The loop and the parser in C are what a server is started with.
    assert found["asyncio, h11"]["ratio"] > 1.1
    assert found["gzip"]["bytes"] < found["identity"]["bytes"] / 3
    # A client of one's own for each call opens a connection and reads the certificates each time.
    assert found["one HTTP client for all"]["cpu_us"] < found["a new HTTP client a call"]["cpu_us"] / 2
    assert found["a pooled 64 KiB buffer"]["cpu_us"] < found["a new 64 KiB buffer"]["cpu_us"]
