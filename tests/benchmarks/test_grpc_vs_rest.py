"""gRPC and REST, compared on one service: the short run tells what doesn't depend on the machine."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.alone


@pytest.mark.timeout(180)
def test_one_run_tells_bytes_connections_encoding_and_latencies_of_every_way():
    command = [sys.executable, "-m", "benchmarks.grpc_vs_rest", "--json", "--rounds", "1", "--seconds", "0.1"]
    done = subprocess.run(command, check=False, timeout=150, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)

    codecs = {(row["codec"], row["users"]): row for row in printed["codecs"]}
    for users in (1, 100):
        protobuf, plain = codecs["protobuf", users], codecs["JSON, json", users]
        assert protobuf["bytes"] < plain["bytes"]
        assert codecs["JSON, pydantic", users]["bytes"] == plain["bytes"]
    assert protobuf["decode_us"] < plain["decode_us"] / 2

    wire = {(row["way"], row["users"]): row for row in printed["wire"]}
    assert wire["gRPC", 1]["connections"] == wire["gRPC", 100]["connections"] == 1
    assert wire["gRPC, a channel a call", 1]["connections"] == 41
    assert wire["REST, a connection a call", 1]["connections"] == 41
    assert 1 < wire["REST, aiohttp", 1]["connections"] <= 8
    for users in (1, 100):
        assert wire["gRPC", users]["received_a_call"] < wire["REST, aiohttp", users]["received_a_call"]
        assert wire["gRPC", users]["sent_a_call"] < wire["gRPC", users]["first_sent"]

    loaded = {(row["way"], row["users"]): row for row in printed["calls"]}
    assert loaded.keys() == wire.keys()
    for row in loaded.values():
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert min(row["per_second"], row["caller_us"]) > 0
