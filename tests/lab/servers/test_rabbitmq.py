"""RabbitMQ's node: where it keeps its files, and that nothing of it is left."""

import asyncio
from pathlib import Path

import aio_pika
import psutil
import pytest

from workbook_lib.lab import Lab
from workbook_lib.lab.provision import Found
from workbook_lib.lab.servers import SERVERS, Place

PORTS = {"amqp": 21000, "epmd": 21001, "distribution": 21002}


def _launch(program: Path, folder: Path):
    return SERVERS["rabbitmq"].launch(Place(Found("rabbitmq", "path", "", program, ""), PORTS, folder))


@pytest.fixture
def unpacked(tmp_path):
    """What matters of Debian's packages, and the launcher beside it."""
    for folder in ("erlang/erts-13.1.5/bin", "rabbitmq/lib/rabbitmq_server-3.10.8/plugins"):
        (tmp_path / "cache" / "usr" / "lib" / folder).mkdir(parents=True)
    plugins = next(tmp_path.glob("cache/usr/lib/rabbitmq/lib/*/plugins"))
    (plugins / "README").touch()
    for name, uses in (
        ("rabbit", "kernel,ra"),
        ("ra", "kernel, aten"),
        ("aten", ""),
        ("rabbitmq_mqtt", "rabbit"),
    ):
        (plugins / f"{name}-3.10.8" / "ebin").mkdir(parents=True)
        described = f"{{application, {name}, [\n\t{{applications, [{uses}]}},\n\t{{env, []}}]}}."
        (plugins / f"{name}-3.10.8" / "ebin" / f"{name}.app").write_text(described)
    return tmp_path / "cache" / "rabbitmq"


@pytest.mark.parametrize("kind", ["unpacked", "installed"])
def test_a_node_is_told_all_its_ports_and_folders(kind, unpacked, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    launch = _launch(unpacked if kind == "unpacked" else Path("/usr/bin/rabbitmq-server"), folder)
    said = " ".join(
        [
            *launch.argv,
            *launch.env.values(),
            *(file.read_text() for file in folder.iterdir() if file.is_file()),
        ]
    )
    assert [port for port in PORTS.values() if str(port) not in said] == []
    assert "inet_dist_use_interface {127,0,0,1}" in said
    paths = {name: value for name, value in launch.env.items() if name.endswith(("_FILE", "_BASE", "_DIR"))}
    del paths["RABBITMQ_CONF_ENV_FILE"]
    assert [name for name, value in paths.items() if str(folder) not in value] == []
    assert launch.env["HOME"] == str(folder)


def test_a_node_finds_what_it_is_built_on_and_no_plugin_that_it_would_read_for_nothing(unpacked, tmp_path):
    for _ in range(2):  # it is started again in the same folder
        launch = _launch(unpacked, tmp_path)
    found = Path(launch.env["ERL_LIBS"]).glob("*/ebin/*.app")
    assert sorted(path.stem for path in found) == ["aten", "ra", "rabbit"]


def test_the_node_itself_is_started_where_debian_puts_a_wrapper_in_front(tmp_path):
    wrapper = tmp_path / "lib" / "rabbitmq-script-wrapper"
    wrapper.parent.mkdir()
    wrapper.touch()
    (tmp_path / "rabbitmq-server").symlink_to(wrapper)
    launch = _launch(tmp_path / "rabbitmq-server", tmp_path)
    assert launch.argv[-1] == str(tmp_path / "lib" / "rabbitmq-server")


@pytest.mark.server
@pytest.mark.timeout(180)
async def test_nothing_is_left_of_a_node_that_was_stopped_or_killed(tmp_path, marked, until):
    async with Lab("rabbit", root=tmp_path) as lab:
        if await lab.try_start("rabbitmq") is None:
            pytest.skip("RabbitMQ can't be had here")
        assert {"beam.smp", "epmd"} <= set(_erlang(marked))
        async with await aio_pika.connect(lab.environment["AMQP_URL"]) as connection:
            channel = await connection.channel()
            await channel.declare_queue("kept", durable=True)
        assert await lab["rabbitmq"].stop() == 0
        await asyncio.to_thread(until, lambda: not _erlang(marked), 5, "epmd is left")
        await lab.start("rabbitmq")
        await lab["rabbitmq"].kill()
        await asyncio.to_thread(until, lambda: not _erlang(marked), 5, "epmd is left")


def _erlang(marked):
    names = []
    for process in marked.processes():
        try:
            names.append(process.name())
        except psutil.Error:
            continue
    return [name for name in names if name in ("beam.smp", "epmd", "erl_child_setup")]
