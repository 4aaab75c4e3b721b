"""The guard of routes for operators (profiles, dumps): a token, and a caller on this very machine."""

import hmac
from ipaddress import IPv6Address, ip_address
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from workbook_lib.kit.errors import Forbidden, Unauthenticated

__all__ = ["OperatorGuard"]

_BEARER = HTTPBearer(scheme_name="operator token", auto_error=False)
# A proxy on this machine is a loopback peer too; these tell that it speaks for somebody else.
_FORWARDING_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class OperatorGuard:
    """Dependency of a route or router: `dependencies=[Depends(OperatorGuard(settings.operator_token))]`.

    Without a token nobody gets in, so that forgetting to set one opens nothing.
    """

    def __init__(self, token: SecretStr | None) -> None:
        self._token = token.get_secret_value().encode() if token else b""

    async def __call__(
        self,
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    ) -> None:
        """Let the request pass. Raises Forbidden for where it comes from, Unauthenticated for its token."""
        if not self._token:
            raise Forbidden("Operator routes are off: the service has no operator token.")
        if not _is_local(request):
            raise Forbidden("Operator routes answer only to callers on the service's own machine.")
        if credentials is None:
            raise Unauthenticated("This route needs the operator token.")
        # Compared in constant time: how long it takes tells nothing of where the two differ.
        if not hmac.compare_digest(credentials.credentials.encode(), self._token):
            raise Unauthenticated(
                "That is not the operator token.",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )


def _is_local(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in _FORWARDING_HEADERS):
        return False
    try:
        address = ip_address(request.client.host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
