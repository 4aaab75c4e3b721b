"""The comparison of frameworks measures servers that all answer the same."""

import json
import shutil
import subprocess
import sys
import urllib.request

import pytest

from benchmarks.contenders.data import user
from benchmarks.frameworks import ASGI, PATH, contenders, gin
from benchmarks.gin.build import GinUnavailable, build_gin
from benchmarks.serving import served


@pytest.mark.timeout(400)
@pytest.mark.parametrize("framework", [*ASGI, "aiohttp", "Gin (Go)"])
def test_every_contender_answers_the_same_user(framework, tmp_path):
    if framework == "Gin (Go)" and not shutil.which("go"):
        pytest.skip("there is no go on PATH")
    go = gin(build_gin(tmp_path)) if framework == "Gin (Go)" else ()
    chosen = [each for each in (*contenders(), *go) if each.framework == framework]
    assert chosen
    for contender in chosen:
        with served(contender.command, PATH, contender.env) as server:
            for number in (7, 12345):
                with urllib.request.urlopen(f"{server.url}/users/{number}", timeout=5) as answer:
                    assert answer.headers["content-type"].startswith("application/json")
                    assert json.load(answer) == user(number)
            assert server.memory_mb > 1
            assert server.processes >= 1
            assert server.cpu_seconds >= 0


@pytest.mark.timeout(300)
def test_one_row_a_contender_with_throughput_latency_and_memory():
    command = [sys.executable, "-m", "benchmarks.frameworks", "--json", "--rounds", "1", "--seconds", "0.4"]
    command += ["--only", "bare ASGI", "FastAPI", "Gin (Go)", "--on", "uvicorn", "granian"]
    command += ["--go-seconds", "0.1"]
    done = subprocess.run(command, check=False, timeout=200, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    rows = printed["rows"]
    assert [(row["framework"], row["server"]) for row in rows] == [
        *(("bare ASGI", "uvicorn"), ("bare ASGI", "granian")),
        *(("FastAPI", "uvicorn"), ("FastAPI", "granian")),
    ]
    for row in rows:
        assert row["per_second"] > 10
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["memory_mb"] > 5
    # The ceiling is above what stands on it: by processor time, of which others on the machine take none.
    bare, fastapi = (rows[number]["server_cores"] / rows[number]["per_second"] for number in (0, 2))
    assert bare < fastapi
    assert printed["notes"][0].startswith("load from")
    assert printed["notes"][1].startswith("Gin is left out")


def test_without_go_and_with_too_little_time_gin_is_left_out_and_says_why(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GinUnavailable, match="no go on PATH"):
        build_gin(tmp_path)
    slow = tmp_path / "go"
    slow.write_text("#!/bin/sh\nexec /bin/sleep 20\n")
    slow.chmod(0o755)
    with pytest.raises(GinUnavailable, match=r"longer than 0\.2 s"):
        build_gin(tmp_path, 0.2)
    slow.write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    with pytest.raises(GinUnavailable, match="no such module"):
        build_gin(tmp_path)


def test_a_server_that_ends_at_once_is_told_with_what_it_printed():
    broken = [sys.executable, "-c", "raise SystemExit('port {port} is cursed')"]
    with pytest.raises(RuntimeError, match="is cursed"), served(broken):
        pass
