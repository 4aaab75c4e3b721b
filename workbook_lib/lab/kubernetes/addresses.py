"""Where a pod's address leads to on this machine: 10.244.0.7 in the cluster is 127.244.0.7 on loopback.

The control plane refuses loopback addresses in an EndpointSlice, and a process without a network namespace of
its own can bind nothing else. On Linux all of 127.0.0.0/8 is loopback, so that each cluster address has a
stand-in there by its last three numbers. Nothing of the cluster can be reached from another machine.
"""

from __future__ import annotations

import errno
import ipaddress
import random
import socket
from collections.abc import Iterable

__all__ = ["LOOPBACK", "NoAddressLeft", "PodAddresses", "cluster_address", "stand_in"]

LOOPBACK = "127.0.0.1"


class NoAddressLeft(RuntimeError):
    """Every address of the node's range is taken."""


def stand_in(address: str) -> str:
    """The loopback address at which a cluster address answers. Raises ValueError for one outside 10/8."""
    first, _, rest = str(ipaddress.IPv4Address(address)).partition(".")
    if first != "10":
        raise ValueError(f"{address} is no address of the cluster: those begin with 10")
    return f"127.{rest}"


def cluster_address(loopback: str) -> str:
    """The cluster address that a loopback address stands for. Raises ValueError."""
    first, _, rest = str(ipaddress.IPv4Address(loopback)).partition(".")
    if first != "127":
        raise ValueError(f"{loopback} is no loopback address")
    return f"10.{rest}"


class PodAddresses:
    """The pod addresses of one node, from its range (`spec.podCIDR`)."""

    def __init__(self, cidr: str) -> None:
        self._all = [str(host) for host in ipaddress.IPv4Network(cidr).hosts()]
        self._taken: set[str] = set()
        # Two labs on one machine have the same range: beginning anywhere, they seldom meet.
        self._next = random.randrange(len(self._all))  # noqa: S311 - no secret

    def take(self, ports: Iterable[int] = ()) -> str:
        """An address that no other pod has, and on whose stand-in nobody listens at these ports.

        Raises `NoAddressLeft`.
        """
        wanted = list(ports)
        for _ in self._all:
            address = self._all[self._next]
            self._next = (self._next + 1) % len(self._all)
            if address not in self._taken and _is_free(stand_in(address), wanted):
                self._taken.add(address)
                return address
        raise NoAddressLeft(f"all {len(self._all)} pod addresses of this node are taken")

    def release(self, address: str) -> None:
        """Give it back. Idempotent."""
        self._taken.discard(address)


def _is_free(host: str, ports: Iterable[int]) -> bool:
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                return False
    return True
