"""RabbitMQ: one node, its Erlang run from where a package was unpacked."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.servers.base import Launch, Place, Server, address

__all__ = ["RabbitMq"]

CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
log.console = true
log.console.level = info
log.console.formatter = json
log.console.formatter.json.field_map = time:time level:level msg:event pid:erlang_pid *:-
log.file = false
vm_memory_high_watermark.absolute = 512MiB
disk_free_limit.absolute = 50MB
"""
# A daemon of Erlang's own (epmd) tells nodes where others listen. Left to itself it would outlive the
# node, so it is started here, as a child of the process that becomes the node.
SCRIPT = 'epmd -address 127.0.0.1 -port "$ERL_EPMD_PORT" & exec "$@"'
# RabbitMQ's own settings of Erlang's memory allocators, no busy waiting, and few processes: a laptop's node.
EMULATOR = (
    *("+W", "w", "+MBas", "ageffcbf", "+MHas", "ageffcbf", "+MBlmbcs", "512", "+MHlmbcs", "512"),
    *("+MMmcs", "30", "+P", "65536", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"),
)
# AMQP 0-9-1, 4.2: the header; and the frame Connection.Start (type 1, channel 0, size, class 10, method 10).
HEADER = b"AMQP\x00\x00\x09\x01"
START = b"\x01\x00\x00" + bytes(4) + b"\x00\x0a\x00\x0a"
LOOPBACK = ("-kernel", "inet_dist_use_interface", "{127,0,0,1}")


class RabbitMq(Server):
    """Ready when it invites a client to log in, which it does once it has started."""

    name = "rabbitmq"
    title = "RabbitMQ"
    variables: ClassVar = ("AMQP_URL",)
    ports: ClassVar = (PortRequest("amqp", 5672), PortRequest("epmd"), PortRequest("distribution"))
    start_seconds: ClassVar = 60.0
    grace_seconds: ClassVar = 8.0

    def launch(self, place: Place) -> Launch:
        """Every path in the run's folder, every port on loopback, no plugins."""
        (place.folder / "rabbitmq.conf").write_text(CONFIG.format(**place.ports))
        (place.folder / "enabled_plugins").write_text("[].\n")
        unpacked = place.program.parent / "usr" / "lib"
        if (unpacked / "erlang").is_dir():
            argv, env = _from_unpacked(unpacked, place.folder / "plugins")
        else:
            argv, env = [str(_without_wrapper(place.program))], {}
            env["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = " ".join(LOOPBACK)
        return Launch(["/bin/sh", "-c", SCRIPT, "rabbitmq", *argv], _environment(place) | env)

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """AMQP_URL, of the user that a new node has, who may come from loopback only."""
        return {"AMQP_URL": f"amqp://guest:guest@127.0.0.1:{ports['amqp']}/"}

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """It answers a client's first words, the protocol's header, with Connection.Start."""
        reader, writer = await asyncio.open_connection(*address(environment["AMQP_URL"], 5672))
        try:
            writer.write(HEADER)
            answer = await reader.readexactly(len(START))
        finally:
            writer.close()
        method = answer[:3] + answer[-4:]
        return None if method == START[:3] + START[-4:] else "something else than AMQP 0-9-1 answers there"


def _environment(place: Place) -> dict[str, str]:
    """What tells a node, in its own variables, where everything is."""
    folder = place.folder
    return {
        "HOME": str(folder),  # of the cookie by which Erlang's nodes know each other
        "ERL_EPMD_PORT": str(place.ports["epmd"]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "workbook@localhost",
        "RABBITMQ_DIST_PORT": str(place.ports["distribution"]),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_FEATURE_FLAGS_FILE": str(folder / "feature_flags"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_LOG_BASE": str(folder),
    }


def _from_unpacked(libraries: Path, plugins: Path) -> tuple[list[str], dict[str, str]]:
    """The node's command where Debian's packages lie unpacked: their scripts know only /usr/lib."""
    erlang = libraries / "erlang"
    programs = next(erlang.glob("erts-*")) / "bin"
    home = next((libraries / "rabbitmq" / "lib").glob("rabbitmq_server-*"))
    _link_needed(home / "plugins", plugins)
    env = {
        "ROOTDIR": str(erlang),
        "BINDIR": str(programs),
        "EMU": "beam",
        "PROGNAME": "erl",
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
        "LD_LIBRARY_PATH": ":".join(map(str, libraries.glob("*-linux-gnu*"))),
        "RABBITMQ_HOME": str(home),
        "RABBITMQ_PLUGINS_DIR": str(plugins),
        "ERL_LIBS": str(plugins),
        "ERL_MAX_PORTS": "65536",
    }
    boot = ["-noinput", "-s", "rabbit", "boot", "-boot", "start_sasl"]
    others = ["-kernel", "prevent_overlapping_partitions", "false", "-syslog", "logger", "[]"]
    silent = ["-syslog", "syslog_error_logger", "false"]
    return [str(programs / "erlexec"), *boot, *EMULATOR, *LOOPBACK, *others, *silent], env


def _link_needed(shipped: Path, folder: Path) -> None:
    """Links to the broker and what it is built on: it reads every module that it finds, needed or not."""
    there = {path.name.rpartition("-")[0]: path for path in shipped.iterdir() if path.is_dir()}
    needed = ["rabbit"]
    for name in needed:  # which grows meanwhile
        description = (there[name] / "ebin" / f"{name}.app").read_text()
        listed = re.search(r"\{\s*applications\s*,\s*\[([^]]*)\]", description)
        uses = re.findall(r"\w+", listed[1]) if listed else []
        needed += [each for each in dict.fromkeys(uses) if each in there and each not in needed]
    folder.mkdir(exist_ok=True)
    for name in needed:
        link = folder / there[name].name
        if not link.is_symlink():
            link.symlink_to(there[name])


def _without_wrapper(program: Path) -> Path:
    """Debian's command is a wrapper that insists on a user of its own; the real one lies beside it."""
    real = program.resolve()
    return real.with_name("rabbitmq-server") if real.name == "rabbitmq-script-wrapper" else program
