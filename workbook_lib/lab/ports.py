"""Ports for what a chapter starts: the well-known one when it is free, else another, held until it is used.

Two guards hold a port. A locked file (flock, in the user's cache folder) keeps other chapters of this user
away for as long as the port is in use; a bound socket keeps everybody else away until just before the server
takes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import platformdirs
import psutil

__all__ = ["NoFreePort", "PortAllocator", "PortRequest", "Reservation"]

HOST = "127.0.0.1"
UNKNOWN = "another process"
# Below every system's range for outgoing connections (Linux 32768…, IANA 49152…) and Kubernetes' node ports.
OTHER_PORTS = range(20000, 30000)


class NoFreePort(RuntimeError):
    """No port of the range is free."""


@dataclass(frozen=True)
class PortRequest:
    """A port that a process needs: its role, the well-known number if there is one, and whether UDP too."""

    role: str
    preferred: int | None = None
    udp: bool = False


@dataclass(eq=False)
class Reservation:
    """A port held for one process; `note` says who has the preferred one, when that was taken."""

    port: int
    note: str = ""
    udp: bool = False
    resting: bool = False
    """Its process has ended, and nobody else may have it: clients may know the address."""
    _sockets: list[socket.socket] = field(default_factory=list, repr=False)
    _lock: IO[str] | None = field(default=None, repr=False)

    def hand_over(self) -> None:
        """Let go of the socket, so that the server about to start can bind it; other chapters keep away."""
        while self._sockets:
            self._sockets.pop().close()

    def hold(self) -> None:
        """Bind it, which refuses whoever connects. Raises OSError where somebody has it."""
        self._sockets.append(_bound(self.port, socket.SOCK_STREAM))
        if self.udp:
            self._sockets.append(_bound(self.port, socket.SOCK_DGRAM))

    def rest(self) -> None:
        """Keep everybody away until the process is started again, or until `release`. Idempotent."""
        self.resting = True
        if self._lock is not None and not self._sockets:
            with contextlib.suppress(OSError):
                self.hold()

    def release(self) -> None:
        """Give the port back. Idempotent."""
        self.hand_over()
        if self._lock is not None:
            self._lock.close()  # and with it the flock
            self._lock = None

    def __del__(self) -> None:
        self.release()


class PortAllocator:
    """Reserves ports on loopback, without colliding with other chapters that run at the same time."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or platformdirs.user_cache_path("microservices-workbook") / "ports"

    def reserve_all(self, requests: Sequence[PortRequest]) -> dict[str, Reservation]:
        """Reserve every requested port, by role; all or none. Raises `NoFreePort`."""
        held: dict[str, Reservation] = {}
        try:
            for request in requests:
                held[request.role] = self.reserve(request)
        except BaseException:
            for reservation in held.values():
                reservation.release()
            raise
        return held

    def reserve(self, request: PortRequest) -> Reservation:
        """Reserve the preferred port, or another when it is taken. Raises `NoFreePort`."""
        note = ""
        if request.preferred is not None:
            if found := self._try(request.preferred, udp=request.udp):
                return found
            note = f"{request.preferred} is taken by {self._holder(request.preferred)}"
        first = random.randrange(len(OTHER_PORTS))  # noqa: S311 - spreads parallel chapters, no secret
        for step in range(len(OTHER_PORTS)):
            port = OTHER_PORTS[(first + step) % len(OTHER_PORTS)]
            if found := self._try(port, udp=request.udp):
                found.note = note and f"{note}; using {port}"
                return found
        raise NoFreePort(
            f"no free port on {HOST} in {OTHER_PORTS.start}-{OTHER_PORTS.stop - 1} for {request.role}"
        )

    def _try(self, port: int, *, udp: bool) -> Reservation | None:
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = (self._folder / f"{port}.lock").open("a+")
        reservation = Reservation(port, udp=udp, _lock=lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.truncate(0)
            print(os.getpid(), file=lock, flush=True)
            reservation.hold()
        except OSError:
            reservation.release()
            return None
        return reservation

    def _holder(self, port: int) -> str:
        """The chapter whose process has reserved it; else who listens, which takes long to find out."""
        with contextlib.suppress(ValueError), (self._folder / f"{port}.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                return f"another chapter (pid {int(lock.read())})"
        return owner_of(port)


def owner_of(port: int) -> str:
    """Who listens on a port, as "consul (pid 123)"; "another process" when the system doesn't say."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("inet"):
            if connection.laddr and connection.laddr.port == port and connection.pid and not connection.raddr:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return UNKNOWN


def _bound(port: int, kind: socket.SocketKind) -> socket.socket:
    held = socket.socket(socket.AF_INET, kind)
    try:
        if kind is socket.SOCK_STREAM:  # a port whose last connections are in TIME_WAIT is free
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((HOST, port))
    except BaseException:
        held.close()
        raise
    return held
