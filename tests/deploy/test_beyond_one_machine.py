"""docs/beyond_one_machine.md: chapters and services on servers that somebody else runs, elsewhere."""

import asyncio
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import httpx2
import pytest

from services.contracts import events, names, topics
from tests.deploy.page import blocks, rows
from tests.structure import rules
from workbook_lib.lab import Lab, LabError, evidence, faults
from workbook_lib.lab.servers import SERVERS

pytestmark = pytest.mark.timeout(300)
MACHINE = "127.0.0.2"
VIEWER = "user127"  # who does nothing else
PARTS_OF_KUBERNETES = {"etcd", "kube-controller-manager", "kube-scheduler", "kwok"}
BREAKS = re.compile(
    r'lab\["(?P<server>\w+)"\]\.(?:kill|stop)\('
    r'|faults\.paused\(lab\["(?P<frozen>\w+)"'
    r"|(?P<configured>nginx|collector)\.configure\("
)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The servers of somebody else: no lab of a chapter's has started them."""
    lab = Lab("elsewhere", root=tmp_path_factory.mktemp("elsewhere"))
    asyncio.run(lab.start("consul", "kafka", "jaeger", "redis"))
    yield lab
    asyncio.run(lab.stop())


def test_the_page_names_the_variables_of_every_server():
    told = {row[0]: set(re.findall(r"`([A-Z_]+)`", row[1])) - {"CONSUL_DNS_ADDR"} for row in rows("server")}
    known = {
        server.title: set(server.variables)
        for name, server in SERVERS.items()
        if name not in PARTS_OF_KUBERNETES
    }
    assert told == known


def test_the_page_names_the_chapters_that_break_their_servers():
    told = {
        (chapter, server)
        for chapters, servers, _ in rows("chapter")
        for chapter in chapters.split(", ")
        for server in servers.split(", ")
    }
    assert told == {
        breaking for notebook in rules.ROOT.glob("notebooks/*.ipynb") for breaking in _broken(notebook)
    }


def _broken(notebook):
    """What servers a chapter breaks, by its cells."""
    read = json.loads(notebook.read_text())
    for cell in read["cells"]:
        for found in BREAKS.finditer("".join(cell["source"]) if cell["cell_type"] == "code" else ""):
            name = next(filter(None, found.groups())).replace("collector", "jaeger")
            if name in SERVERS:
                yield read["metadata"]["workbook"]["chapter"], SERVERS[name].title


async def test_a_chapters_cells_run_on_servers_that_run_elsewhere(elsewhere, tmp_path):
    """Those of chapter 2.1 that start a system, call it, and draw the map that its traces tell."""
    begun, executed = tmp_path / "begun.ipynb", tmp_path / "executed.ipynb"
    begun.write_text(_until("complete_map()", rules.ROOT / "notebooks" / "02_1_what_a_microservice_is.ipynb"))
    command = [sys.executable, "-m", "papermill", "--cwd", tmp_path, "--execution-timeout", "120"]
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, begun, executed],
        env=os.environ | elsewhere.environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert executed.read_text().count("yours") >= 4
    elsewhere.check()
    jaeger = evidence.Jaeger(elsewhere.environment["JAEGER_QUERY_URL"])
    assert {names.GATEWAY, names.USERS, names.ORDERS, names.INVENTORY} <= set(await jaeger.services())


def _until(text, notebook):
    """A chapter's cells to the last one with that text in it, and the one that stops everything."""
    chapter = json.loads(notebook.read_text())
    sources = ["".join(cell["source"]) for cell in chapter["cells"]]
    last = max(number for number, source in enumerate(sources) if text in source)
    stop = next(cell for cell in reversed(chapter["cells"]) if cell["source"] == ["await lab.stop()"])
    chapter["cells"][last + 1 :] = [stop]
    return json.dumps(chapter)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers at every address of 127.0.0.0/8")
async def test_a_service_on_another_machine_is_found_called_and_missed(elsewhere, monkeypatch, tmp_path):
    for variable, value in elsewhere.environment.items():
        monkeypatch.setenv(variable, value)
    consul, kafka = (elsewhere.environment[name] for name in ("CONSUL_HTTP_ADDR", "KAFKA_BOOTSTRAP_SERVERS"))
    async with Lab("here", root=tmp_path) as here:
        await here.start("kafka", "gateway")
        with _started_as_the_page_says(elsewhere, tmp_path) as process:
            (instance,) = await evidence.eventually(
                lambda: evidence.healthy_instances(consul, names.INVENTORY)
            )
            assert instance.address == MACHINE
            assert await evidence.eventually(lambda: _stock(here["gateway"].url)) == "keyboard"
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 30) == 0
        assert await evidence.healthy_instances(consul, names.INVENTORY) == []
        await _view_a_product(here["gateway"].url)
        assert VIEWER in {record.key for record in await evidence.topic_records(kafka, topics.USER_EVENTS)}
        with pytest.raises(LabError, match="is your own server"):
            async with faults.paused(here["consul"]):
                pass
    elsewhere.check()


@contextmanager
def _started_as_the_page_says(elsewhere, folder):
    """The command for a service on a machine of its own, at an address and ports that are free here."""
    block = next(each for each in blocks("sh") if "--host=10.0.0.7" in each)
    variables = re.findall(r"^export (\w+)=", block, re.MULTILINE)
    line = block.splitlines()[-1].replace("10.0.0.7", MACHINE)
    with socket.create_server((MACHINE, 0)) as http, socket.create_server((MACHINE, 0)) as grpc:
        for port, free in (("8000", http), ("9000", grpc)):
            line = line.replace(f"port={port}", f"port={free.getsockname()[1]}")
    command = shlex.split(line)
    assert command[0] == "python"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(rules.ROOT)}
    env |= {name: elsewhere.environment[name] for name in variables}
    with (folder / "inventory.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command[1:]], cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


async def _stock(gateway):
    async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
        answer = await client.get(f"{gateway}/inventory/keyboard")
    return answer.json()["sku"] if answer.status_code == 200 else None


async def _view_a_product(gateway):
    seen = {"user_id": VIEWER, "type": events.PRODUCT_VIEWED, "data": {"sku": "webcam"}}
    async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
        (await client.post(f"{gateway}/activity", params={"via": "event"}, json=seen)).raise_for_status()
