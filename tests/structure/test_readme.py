"""What the README tells a reader to run, runs."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from tests.structure import rules

README = (rules.ROOT / "README.md").read_text()
BLOCKS = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", README, re.DOTALL))
COMMANDS = [shlex.split(block) for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)]


def test_the_readme_has_a_service_and_a_script():
    assert BLOCKS.keys() == {"clock.py", "stock.py"}


def _run(name, folder, *arguments):
    (folder / name).write_text(BLOCKS[name])
    return _python(str(folder / name), *arguments)


def _python(*arguments):
    command = [sys.executable, *arguments]
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


@pytest.mark.server
@pytest.mark.parametrize(
    ("number", "printed"),
    [
        (0, "ConnectionError open\nBreakerOpen open\nBreakerOpen open"),
        (1, "100 requests, 50 due a second"),
        (2, "[]\n{'shop/closed': '18:30', 'shop/open': '8:00'}"),
    ],
)
def test_a_command_prints_what_it_is_said_to_do(number, printed):
    program, *arguments = COMMANDS[number]
    assert (program, arguments[0], len(COMMANDS)) == (".venv/bin/python", "-c", 3)
    done = _python(*arguments)
    assert done.returncode == 0, done.stderr
    assert printed in done.stdout
