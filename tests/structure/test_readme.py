"""What the README tells a reader to run, runs."""

import os
import re
import subprocess
import sys

import pytest

from tests.structure import rules

BLOCKS = dict(
    re.findall(r"```python\n# (\w+\.py)\n(.*?)```", (rules.ROOT / "README.md").read_text(), re.DOTALL)
)


def test_the_readme_has_a_service_and_a_script():
    assert BLOCKS.keys() == {"clock.py", "stock.py"}


def _run(name, folder, *arguments):
    (folder / name).write_text(BLOCKS[name])
    command = [sys.executable, str(folder / name), *arguments]
    return subprocess.run(
        command, cwd=rules.ROOT, env=os.environ, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_service_tells_its_settings(tmp_path):
    done = _run("clock.py", tmp_path, "--help")
    assert done.returncode == 0, done.stderr
    assert "--port" in done.stdout


@pytest.mark.server
def test_the_script_reads_a_stock_from_a_real_system(tmp_path):
    done = _run("stock.py", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "found in Consul: inventory-service-" in done.stdout
    assert "'sku': 'keyboard'" in done.stdout
