"""What every server module says about its server."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.provision.model import Found

__all__ = ["Launch", "Place", "Server", "address"]


@dataclass(frozen=True)
class Place:
    """What a server is given to start with: its program, its ports by role, a folder of its own.

    `environment` has the addresses of the servers that were started before it, or are with it and precede
    it in `SERVERS`.
    """

    found: Found
    ports: Mapping[str, int]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def program(self) -> Path:
        """The program, or Kafka's prepared folder."""
        if self.found.path is None:
            raise ValueError(f"{self.found.name} is an endpoint and isn't started")
        return self.found.path


@dataclass(frozen=True)
class Launch:
    """How it is started: the command, and what its environment has besides the kernel's."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    """Those of the server's `variables` that were made up for this start, such as a password."""


class Server(ABC):
    """A server that a chapter may need: how it is started, when it is ready, and what its clients must know.

    `variables` are the environment variables by which clients find it, its main address first. When the
    user has set them all, that server is used and none is started.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    variables: ClassVar[tuple[str, ...]]
    ports: ClassVar[tuple[PortRequest, ...]]
    start_seconds: ClassVar[float] = 20.0
    grace_seconds: ClassVar[float] = 3.0
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    """What asks it to end gracefully."""
    secret_variables: ClassVar[frozenset[str]] = frozenset()
    """Those of the `variables` that are shown to nobody, and given to no service unasked."""
    stands_for: ClassVar[str] = ""
    """The server that this is another kind of: whoever needs that one can do with this."""
    companions: ClassVar[tuple[str, ...]] = ()
    """Servers that are started with it, since it is nothing without them; not with one of the user's."""
    starts_last: ClassVar[bool] = False
    """Started when the others are ready: it gives up where it can't wait for what it needs."""

    @property
    def program(self) -> str:
        """The name under which its program is provisioned."""
        return self.stands_for or self.name

    def external(self, environ: Mapping[str, str]) -> dict[str, str] | None:
        """The addresses of the user's own server, or None when the user has named none."""
        named = {variable: environ.get(variable, "") for variable in self.variables}
        return named if all(named.values()) else None

    @abstractmethod
    def launch(self, place: Place) -> Launch:
        """Write what the server reads into its folder, and say how it is started."""

    @abstractmethod
    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """The `variables` for a server on these ports."""

    @abstractmethod
    async def check(self, environment: Mapping[str, str]) -> str | None:
        """Ask it at these addresses in its own protocol; None when it is ready, else what is missing."""


def address(value: str, default_port: int = 80) -> tuple[str, int]:
    """Host and port of `http://host:port/…`, `host:port`, or the first of several, comma-separated."""
    netloc = value.split(",")[0].rpartition("//")[2].partition("/")[0].rpartition("@")[2]
    host, _, port = netloc.rpartition(":")
    return (host, int(port)) if host else (port, default_port)
