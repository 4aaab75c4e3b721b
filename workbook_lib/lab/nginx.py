"""Give the lab's nginx another configuration while it serves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import uuid
from collections.abc import Sequence
from pathlib import Path

import psutil

from workbook_lib.lab import command
from workbook_lib.lab.errors import LabError
from workbook_lib.lab.handle import Handle
from workbook_lib.lab.processes import Process
from workbook_lib.lab.readiness import http_get, until_ready
from workbook_lib.lab.servers.nginx import MAIN, write_configuration

__all__ = ["configure"]

TEST_SECONDS = 10.0
RELOAD_SECONDS = 10.0


async def configure(handle: Handle, site: str, **values: str | int | Sequence[str]) -> None:
    """Serve the site `deploy/nginx/<site>` with `values` for its `%{…}`; return when it is served.

    nginx checks the configuration (`nginx -t`) and gets SIGHUP: new workers take new connections, old ones
    finish what they have. A line whose value is a list appears once for each. Raises `LabError` when the
    configuration is wrong or isn't served in time; nginx then goes on with the one that it has.
    """
    handle.check()
    process, folder = handle.process, handle.folder
    if process is None or folder is None:
        raise LabError(f"nginx at {handle.url} is your own server; the lab doesn't configure it")
    ports = {role: reservation.port for role, reservation in handle.ports.items()}
    generation = uuid.uuid4().hex[:8]
    main, served = folder / MAIN, (folder / MAIN).read_text()
    candidate = folder / f"{generation}.conf"
    candidate.write_text(write_configuration(folder, ports, site, values, generation))
    try:
        await asyncio.to_thread(_test, Path(process.argv[0]), candidate)
        candidate.replace(main)
        await _reload(process, ports["http"], generation)
    except BaseException:
        main.write_text(served)
        raise
    finally:
        candidate.unlink(missing_ok=True)


def _test(program: Path, configuration: Path) -> None:
    argv: list[str | Path] = [
        program,
        "-t",
        "-q",
        "-p",
        configuration.parent,
        "-c",
        configuration,
        "-e",
        "stderr",
    ]
    try:
        command.run(*argv, timeout_seconds=TEST_SECONDS)
    except command.CommandFailed as error:
        raise LabError(f"nginx refuses the configuration and goes on with the one it has:\n{error}") from None


async def _reload(process: Process, port: int, generation: str) -> None:
    """SIGHUP to the master alone, and a wait until only workers of this generation take connections."""
    old = psutil.Process(process.pid).children()
    os.kill(process.pid, signal.SIGHUP)

    async def check() -> str | None:
        _, served = await http_get(f"http://127.0.0.1:{port}/", {"Host": "generation.workbook"})
        if served.decode() != generation or any(map(_takes_connections, old)):
            return "old workers still take connections"
        return None

    await until_ready(process, check, RELOAD_SECONDS)


def _takes_connections(worker: psutil.Process) -> bool:
    """A worker that was told to leave says so in its title until it has finished its requests."""
    with contextlib.suppress(psutil.Error):
        return "shutting down" not in " ".join(worker.cmdline())
    return False
