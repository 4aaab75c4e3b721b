"""A kernel that is forked, and its lab's supervisor and template, can't be told from those started anew."""

import json
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux forks its kernels")

FACTS = """\
import json, os, sys
import psutil
from ipykernel.kernelapp import IPKernelApp
me = psutil.Process()
facts = {
    "command": me.cmdline()[:4],
    "arguments": len(sys.argv),
    "path": sys.path,
    "cwd": os.getcwd(),
    "parent": IPKernelApp.instance().parent_handle == me.ppid() == int(me.environ()["JPY_PARENT_PID"]),
    "session": os.getsid(0) == me.pid,
    "left out": [name for name, module in sys.modules.items() if module is None],
    "environment": sorted(os.environ.keys() - {"WORKBOOK_FORK"}),
}
"""
LAB = """\
from workbook_lib.lab import Lab
lab = Lab("forked")
await lab.start("welcome", instances=2)
def was_forked(process):
    fields = open(f"/proc/{process.pid}/stat").read().rpartition(")")[2].split()
    return int(fields[46]) - int(fields[45]) > 4000
(supervisor,) = me.children()
facts["supervisor"] = supervisor.cmdline()[1:3]
templates = [each for each in supervisor.children() if "template.py" in " ".join(each.cmdline())]
forked = [was_forked(each) for each in (me, supervisor, *templates, psutil.Process(lab["welcome"].pid))]
await lab.stop()
assert me.children() == []
await lab.start("welcome")
(supervisor,) = me.children()
assert not was_forked(supervisor), "a seed is used once"
await lab.stop()
print(json.dumps([forked, facts]))
"""


def told(workbook, folder):
    done = workbook("run", "--no-pages", "--out", "out")
    assert done.returncode == 0, done.stdout
    cells = json.loads((folder / "out/executed/01_small.ipynb").read_bytes())["cells"]
    return json.loads("".join(cells[-1]["outputs"][-1]["text"]))


def test_a_forked_kernel_and_its_supervisor_are_as_if_executed(write, workbook, tmp_path, monkeypatch):
    write("01_small", FACTS, LAB, services=["welcome", "users"])
    forked, facts = told(workbook, tmp_path)
    assert forked == [True] * 4
    monkeypatch.setenv("WORKBOOK_FORK", "0")
    executed, facts_of_other = told(workbook, tmp_path)
    assert executed == [False] * 3
    assert facts == facts_of_other
