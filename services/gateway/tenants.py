"""Which tenant a request is for: told by its API key, from here on in the baggage of all that it leads to."""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from opentelemetry import context, trace
from starlette.types import ASGIApp, Receive, Scope, Send

from workbook_lib.kit.errors import Unauthenticated
from workbook_lib.kit.tenant import TENANT_ATTRIBUTE, with_tenant

__all__ = ["TenantKeys", "check_tenant_keys"]

HEADER: Final = b"x-api-key"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def check_tenant_keys(keys: dict[str, str]) -> dict[str, str]:
    """`keys` as they are. Raises ValueError for what isn't a SHA-256 in hex, or no tenant."""
    for digest, tenant in keys.items():
        if not _DIGEST.fullmatch(digest):
            raise ValueError("a key is given by its SHA-256, 64 hexadecimal digits in lower case")
        with_tenant(tenant)
    return keys


class TenantKeys:
    """ASGI middleware: a request with an API key runs for the key's tenant, one without for none.

    Keys are known by their SHA-256 alone, which suffices for keys that are long and random. Raises
    Unauthenticated for an unknown one: to serve it for nobody would hide the mistake.
    """

    def __init__(self, app: ASGIApp, tenants: Mapping[str, str]) -> None:
        self._app = app
        self._tenants = tenants

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its tenant."""
        key = next((value for name, value in scope.get("headers", ()) if name == HEADER), None)
        if key is None:
            await self._app(scope, receive, send)
            return
        tenant = self._tenants.get(hashlib.sha256(key).hexdigest())
        if tenant is None:
            raise Unauthenticated("the API key isn't known")
        trace.get_current_span().set_attribute(TENANT_ATTRIBUTE, tenant)  # it began before this was known
        token = context.attach(with_tenant(tenant))
        try:
            await self._app(scope, receive, send)
        finally:
            context.detach(token)
