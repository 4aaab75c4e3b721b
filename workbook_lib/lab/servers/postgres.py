"""PostgreSQL, with prepared transactions switched on; also for root, as whom it refuses to run."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from workbook_lib.lab.errors import LabError
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.servers.base import Launch, Place, Server

__all__ = ["Postgres"]

# A new folder is set up by initdb; one of an earlier start, also after a crash, is taken as it is.
SCRIPT = """\
if [ ! -f "$PGDATA/PG_VERSION" ]; then
  "$0" --username=workbook --auth=trust --encoding=UTF8 --locale=C --no-sync --no-instructions || exit
fi
exec "$@"
"""
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_prepared_transactions": "64",  # 0 as it comes: PREPARE TRANSACTION is an error then
    "max_connections": "120",
    "shared_buffers": "16MB",
    "update_process_title": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
}
# Root becomes somebody else but goes on reaching files in root's own folders.
AS_NOBODY = ("--clear-groups", "--inh-caps=+dac_override", "--ambient-caps=+dac_override")


class Postgres(Server):
    """Ready when it answers a query. POSTGRES_URL is that of its `postgres` database, as superuser."""

    name = "postgres"
    title = "PostgreSQL"
    variables: ClassVar = ("POSTGRES_URL",)
    ports: ClassVar = (PortRequest("postgres", 5432),)
    start_seconds: ClassVar = 40.0
    grace_seconds: ClassVar = 5.0
    stop_signal: ClassVar = signal.SIGINT  # fast shutdown; SIGTERM would wait for clients to go

    def launch(self, place: Place) -> Launch:
        """Everything in the run's folder, loopback only, no password. Raises `LabError` for some roots."""
        options = {**OPTIONS, "port": str(place.ports["postgres"])}
        server = [str(place.program), *(word for item in options.items() for word in ("-c", "=".join(item)))]
        initdb = _beside(place.program, "initdb")
        return Launch(
            [*_as_somebody_else(), "/bin/sh", "-c", SCRIPT, str(initdb), *server],
            {"PGDATA": str(place.folder / "data"), "LC_ALL": "C", "TZ": "UTC"},
        )

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """POSTGRES_URL."""
        return {"POSTGRES_URL": f"postgresql://workbook@127.0.0.1:{ports['postgres']}/postgres"}

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """It answers a query; while it recovers from a crash it refuses connections."""
        import asyncpg  # here, for the chapters without a PostgreSQL

        try:
            connection = await asyncpg.connect(environment["POSTGRES_URL"], timeout=1)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return str(error)
        try:
            await connection.fetchval("SELECT 1")
        finally:
            await connection.close(timeout=1)
        return None


def _beside(program: Path, name: str) -> Path:
    """Another program of the same installation, also where PATH has only links to it."""
    return next(
        (found for folder in (program.parent, program.resolve().parent) if (found := folder / name).exists()),
        Path(name),
    )


def _as_somebody_else() -> list[str]:
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise LabError("PostgreSQL refuses to run as root, and there is no setpriv to change to another user")
    nobody = pwd.getpwnam("nobody")
    user = (f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}")
    # Becoming somebody else clears the signal by which the process ends with its supervisor.
    return [setpriv, *user, *AS_NOBODY, "--pdeathsig=KILL", "--"]
