"""Redis (or Valkey), in memory only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.provision.programs import parse_version
from workbook_lib.lab.servers.base import Launch, Place, Server

__all__ = ["Redis"]


class Redis(Server):
    """Ready when it answers PING."""

    name = "redis"
    title = "Redis"
    variables: ClassVar = ("REDIS_URL",)
    ports: ClassVar = (PortRequest("redis", 6379),)

    def launch(self, place: Place) -> Launch:
        """Loopback, no snapshots, no append-only file."""
        options = {
            "bind": "127.0.0.1",
            "port": str(place.ports["redis"]),
            "dir": str(place.folder),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
        }
        if parse_version(place.found.version) >= (6, 2):
            # A title of its own overwrites the environment in /proc, and with it the mark of our run.
            options["set-proc-title"] = "no"
        return Launch(
            [str(place.program), *(word for key, value in options.items() for word in (f"--{key}", value))]
        )

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """REDIS_URL, database 0."""
        return {"REDIS_URL": f"redis://127.0.0.1:{ports['redis']}/0"}

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """It answers PING."""
        import redis.asyncio  # here, for the chapters without a Redis
        from redis.exceptions import RedisError

        try:
            async with redis.asyncio.from_url(environment["REDIS_URL"]) as client:
                await client.ping()
        except RedisError as error:
            return str(error)
        return None
