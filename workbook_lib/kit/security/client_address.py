"""Who is calling when a proxy is in between: X-Forwarded-For counts only where we know who wrote it."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["ForwardedClient", "Networks", "client_address", "networks"]

Networks = Sequence[IPv4Network | IPv6Network]


def networks(addresses: Iterable[str]) -> Networks:
    """Addresses and networks (`10.0.0.0/8`) as they are configured. Raises ValueError for anything else."""
    return tuple(ip_network(address.strip()) for address in addresses)


def client_address(peer: str, forwarded_for: str, trusted: Networks) -> str:
    """The address of the caller that `peer` speaks for.

    Each proxy appends the address that it was called from, so what is left of the last untrusted entry was
    written by a stranger. An entry that is no address ends the search: the last one known is the answer.
    """
    known = _address(peer)
    if known is None:
        return peer
    for entry in reversed(forwarded_for.split(",")):
        if not any(known in network for network in trusted):
            break
        if (previous := _address(entry.strip())) is None:
            break
        known = previous
    return str(known)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    # Some proxies write the port too: 192.0.2.7:4711, [2001:db8::1]:4711.
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


class ForwardedClient:
    """ASGI middleware that puts the caller's own address in the place of a trusted proxy's.

    Everything after it, limits and the access log too, then sees the caller.
    """

    def __init__(self, app: ASGIApp, trusted: Networks) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its caller's address."""
        if self._trusted and scope["type"] in ("http", "websocket") and scope.get("client"):
            # Lists may go on in a further header (RFC 9110, 5.3), and an attacker's is the first.
            values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
            if values:
                peer, port = scope["client"]
                address = client_address(peer, b",".join(values).decode("latin-1"), self._trusted)
                scope["client"] = (address, port if address == peer else 0)
        await self._app(scope, receive, send)
