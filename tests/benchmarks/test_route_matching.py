"""The search for a route is measured on apps that really answer."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.alone


def test_a_list_grows_with_its_routes_and_a_tree_does_not():
    command = [sys.executable, "-m", "benchmarks.route_matching", "--json"]
    printed = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True).stdout
    growth = {row["what"]: row["many_us"] / row["few_us"] for row in json.loads(printed)["rows"]}
    assert growth["FastAPI, a list"] > 3 > growth["Litestar, a tree"]
