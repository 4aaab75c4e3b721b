"""The language table measures services that really answer."""

import json
import subprocess
import sys


def test_each_way_is_built_started_and_weighed():
    command = [sys.executable, "-m", "benchmarks.language_table"]
    printed = subprocess.run(
        [*command, "--json"], check=True, timeout=240, capture_output=True, text=True
    ).stdout
    rows = {row["what"]: row for row in json.loads(printed)["rows"]}
    assert set(rows) - {"Go, standard library"} == {"Python, standard library", "Python, services.welcome"}
    assert all(row["start_seconds"] > 0 and row["idle_mb"] > 1 for row in rows.values())
    # What a service of ours deploys is the interpreter and its packages.
    library, welcome = rows["Python, standard library"], rows["Python, services.welcome"]
    assert welcome["deploy_mb"] > library["deploy_mb"] > 10
