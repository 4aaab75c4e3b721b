"""The control plane as processes: ready soon, small, on loopback only, and gone with the lab."""

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap

from workbook_lib.lab import Lab, LabError
from workbook_lib.lab.kubernetes.client import client
from workbook_lib.lab.provision import Found
from workbook_lib.lab.servers import SERVERS, Place

pytestmark = pytest.mark.alone

PROCESSES = ["etcd", "kubernetes", "kube-controller-manager", "kube-scheduler"]
READY_SECONDS = 8.0
MEGABYTES = 600


async def test_ready_with_eight_seconds_work_on_loopback_only_and_all_of_it_gone_when_its_owner_is_killed(
    tmp_path, until
):
    """Processor time, which a busy machine changes little; on two free cores it is ready sooner than that."""
    async with Lab("control-plane", root=tmp_path) as lab:
        await lab.start("kubernetes")
        assert [handle.name for handle in lab.handles] == PROCESSES
        running = {handle.name: psutil.Process(handle.pid) for handle in lab.handles}
        worked = sum(sum(process.cpu_times()[:2]) for process in running.values())
        resident = sum(process.memory_info().rss for process in running.values())
        listening = {
            (name, connection.laddr.ip)
            for name, process in running.items()
            for connection in process.net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        }
        # Who is killed with SIGKILL can clean nothing up: the end of the supervisor is that of the family.
        os.kill(running["etcd"].ppid(), signal.SIGKILL)
        until(lambda: not any(process.is_running() for process in running.values()), 10, "control plane")
    assert worked <= READY_SECONDS
    assert resident < MEGABYTES * 1e6, f"{resident / 1e6:.0f} MB"
    assert listening == {(name, "127.0.0.1") for name in PROCESSES}


async def test_a_control_plane_that_is_started_again_remembers_everything(tmp_path):
    """A killed API server's clients find it where it was, with the keys and tokens that it had."""
    async with Lab("again", root=tmp_path) as lab:
        await lab.start("kubernetes")
        async with client(lab, namespace="default") as api:
            kept = ObjectMeta(name="kept", namespace="default")
            await api.create(ConfigMap(metadata=kept, data={"a": "b"}))
            assert (lab.folder / "etcd").is_dir()
            for name in ("kubernetes", "etcd"):
                await lab[name].kill()
            await lab.start("kubernetes")
            assert (await api.get(ConfigMap, "kept", namespace="default")).data == {"a": "b"}


def test_every_component_has_a_kubeconfig_of_its_own_and_none_a_default_port(tmp_path):
    found = Found("kubernetes", "path", "9.9.9", Path("/bin/true"), "")
    environment = {"ETCD_URL": "http://127.0.0.1:1"}
    used = []
    for number, name in enumerate(PROCESSES):
        server = SERVERS[name]
        ports = {request.role: 21000 + 10 * number + index for index, request in enumerate(server.ports)}
        (tmp_path / name).mkdir()
        launch = server.launch(Place(found, ports, tmp_path / name, environment))
        environment |= launch.environment
        said = " ".join(launch.argv)
        assert [port for port in ports.values() if str(port) not in said] == []
        assert "0.0.0.0" not in said
        used += [word for word in launch.argv if word.startswith("--kubeconfig=")]
    assert len(set(used)) == 2  # the API server needs none
    assert environment["WORKBOOK_KUBECONFIG"] not in " ".join(used)


async def test_a_file_that_is_no_kubeconfig_is_said_to_be_none(tmp_path, monkeypatch):
    (tmp_path / "config").write_text("clusters: nonsense")
    for path in (tmp_path / "config", tmp_path / "none"):
        monkeypatch.setenv("WORKBOOK_KUBECONFIG", str(path))
        monkeypatch.setattr("workbook_lib.lab.launching.EXTERNAL_SECONDS", 0.0)
        async with Lab("own", root=tmp_path) as lab:
            with pytest.raises(LabError, match=f"your own server .*{path} is no kubeconfig"):
                await asyncio.wait_for(lab.start("kubernetes"), 20)
