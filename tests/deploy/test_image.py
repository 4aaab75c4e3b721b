"""The image: what is copied into it, and nothing else, is enough to start every service."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.structure import rules

DOCKERFILE = rules.ROOT / "deploy" / "Dockerfile"
SERVICES = sorted(path.parent.name for path in rules.ROOT.glob("services/*/__main__.py"))
STARTED = """
import json, runpy, sys
absent, *names = sys.argv[1:]
sys.modules.update(dict.fromkeys(json.loads(absent)))  # importing one of them is an ImportError
ends = {}
for name in names:
    sys.argv = [name, "--help"]
    try:
        runpy.run_module(f"services.{name}", run_name="__main__")
    except SystemExit as end:
        ends[name] = end.code or 0
print(json.dumps(ends))
"""
HADOLINT = Path(sys.executable).parent / "hadolint"


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A folder with what the Dockerfile copies, where it copies it."""
    root = tmp_path_factory.mktemp("image")
    for source, target in re.findall(r"^COPY (?!--)(\S+) (/app/\S+)$", DOCKERFILE.read_text(), re.MULTILINE):
        copy = shutil.copytree if (rules.ROOT / source).is_dir() else shutil.copy
        (root / target.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        copy(rules.ROOT / source, root / target.lstrip("/"))
    return root / "app"


def test_hadolint_finds_nothing():
    done = subprocess.run([HADOLINT, DOCKERFILE], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_find_something(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN pip install flask\nCMD python app.py\n")
    command = [HADOLINT, "--format", "json", tmp_path / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert {each["code"] for each in json.loads(done.stdout)} >= {"DL3006", "DL3013", "DL3042", "DL3025"}


@pytest.mark.timeout(180)
def test_every_service_starts_from_the_images_files_with_the_packages_of_its_lock(image, tmp_path):
    """No part of it imports lab, book, or a package of theirs: the image has none of them."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(image), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", STARTED, json.dumps(_absent()), *SERVICES]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == dict.fromkeys(SERVICES, 0)


def _absent():
    """The modules of all packages that are installed here and aren't in the image's lock."""
    lock = (rules.ROOT / "deploy" / "requirements.lock").read_text()
    locked = {canonicalize_name(each) for each in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    found = {
        module
        for module, packages in importlib.metadata.packages_distributions().items()
        if not {canonicalize_name(each) for each in packages} & locked
    }
    assert found >= {"psutil", "rich", "jupyterlab", "papermill"}
    return sorted(found - {"services", "workbook_lib"})


def test_what_is_copied_passes_the_dockerignore_and_the_rest_does_not():
    ignored = (rules.ROOT / ".dockerignore").read_text().split("\n")
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = set(re.findall(r"^COPY (?!--)(\S+) ", DOCKERFILE.read_text(), re.MULTILINE))
    assert "*" in ignored
    assert copied == let_in


def test_the_image_runs_as_nobody_in_particular_and_serves_on_8000():
    text = DOCKERFILE.read_text()
    user = re.findall(r"^USER (\d+):(\d+)$", text, re.MULTILINE)
    assert len(user) == 1
    assert int(user[0][0]) > 1000
    assert "EXPOSE 8000" in text
    assert re.search(r'^CMD \[.*"--port=8000"\]$', text, re.MULTILINE)
    minimum = tomllib.loads((rules.ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert re.search(r"^ARG PYTHON=(\d\.\d+)-slim", text, re.MULTILINE).group(1) in minimum
