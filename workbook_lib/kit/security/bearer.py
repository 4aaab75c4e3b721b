"""The dependency of routes that need a token: RFC 6750, the Authorization header only."""

from typing import Annotated

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from workbook_lib.kit.errors import Unauthenticated
from workbook_lib.kit.security.tokens import Claims, Tokens

__all__ = ["BearerToken"]

_BEARER = HTTPBearer(scheme_name="access token", bearerFormat="JWT", auto_error=False)


class BearerToken:
    """Dependency that gives a route the `Claims` of the caller's token, as checked by `tokens`."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def __call__(
        self, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
    ) -> Claims:
        """What the token says. Raises Unauthenticated without a valid one."""
        if credentials is None:
            raise Unauthenticated("This route needs a bearer token in the Authorization header.")
        return self._tokens.check(credentials.credentials)
