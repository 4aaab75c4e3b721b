"""Several services as one process group: forked from one, each ending alone, all of them together."""

import os
import signal
import subprocess
import sys
import time

import httpx2
import psutil
import pytest

from workbook_lib.lab.ports import PortAllocator, PortRequest

WAIT_SECONDS = 40.0


def _until(true, what):
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := true()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


@pytest.fixture
def group(tmp_path, free_ports):
    """Two services of the project, once both answer."""
    ports = {"welcome": free_ports[0], "products": free_ports[1]}
    env = {
        **{name: value for name, value in os.environ.items() if "CONSUL" not in name},
        **{f"{name.upper()}_PORT": str(port) for name, port in ports.items()},
        "PRODUCTS_DATABASE_URL": f"sqlite:///{tmp_path}/products.db",
    }
    command = [
        sys.executable,
        "-m",
        "workbook_lib.kit.service.group",
        *(f"services.{name}" for name in ports),
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    started = Group(psutil.Process(process.pid), process, ports, tmp_path / "log")
    try:
        for name in ports:
            _until(lambda name=name: started.is_healthy(name), f"{name}: {started.log.read_text()}")
        yield started
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)


class Group:
    """A running group."""

    def __init__(self, process, popen, ports, log):
        self.process = process
        self.popen = popen
        self.ports = ports
        self.log = log

    def is_healthy(self, name):
        assert self.popen.poll() is None, self.log.read_text()
        try:
            return httpx2.get(f"http://127.0.0.1:{self.ports[name]}/health", trust_env=False).is_success
        except httpx2.TransportError:
            return False


@pytest.fixture
def free_ports():
    held = PortAllocator().reserve_all([PortRequest("one"), PortRequest("two")]).values()
    for reservation in held:
        reservation.hand_over()
    yield tuple(reservation.port for reservation in held)
    for reservation in held:
        reservation.release()


def test_a_service_that_dies_is_started_again_and_the_group_ends_whole(group):
    before = group.process.children()
    assert len(before) == 2
    assert {os.getpgid(child.pid) for child in before} == {group.process.pid}
    before[0].kill()
    _until(lambda: len(set(group.process.children()) - set(before)) == 1, "nothing was started again")
    for name in group.ports:
        _until(lambda name=name: group.is_healthy(name), name)
    assert before[1] in group.process.children(), "the other one wasn't touched"
    every = group.process.children()
    group.process.terminate()
    assert group.popen.wait(timeout=WAIT_SECONDS) == 0
    assert not any(child.is_running() for child in every)
    assert '"service ended"' in group.log.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="a parent's death is signalled on Linux only")
def test_no_service_outlives_a_group_that_was_killed(group):
    every = group.process.children()
    group.process.kill()
    group.popen.wait(timeout=10)
    _until(lambda: not any(child.is_running() for child in every), "a service lives on")


def test_a_service_that_can_not_start_ends_the_group(tmp_path, free_ports):
    """Five tries with growing pauses would be 7.5 s; settings that can't be used end each at once."""
    env = {**os.environ, "WELCOME_PORT": "nonsense"}
    command = [sys.executable, "-m", "workbook_lib.kit.service.group", "services.welcome"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1
    assert done.stdout.count('"service ended"') == 5


def test_a_group_of_nothing_is_refused():
    command = [sys.executable, "-m", "workbook_lib.kit.service.group"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.startswith("usage:")) == (2, True)
