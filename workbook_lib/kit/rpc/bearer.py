"""Bearer tokens in the metadata of calls: `authorization: Bearer …`, as in HTTP (RFC 6750)."""

import hmac
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

import grpc
from pydantic import SecretStr

from workbook_lib.kit.errors import Forbidden, Unauthenticated
from workbook_lib.kit.rpc.interception import Call, CallInterceptor
from workbook_lib.kit.rpc.outgoing import sending

__all__ = ["OperatorMethods", "sending_bearer"]

_AUTHORIZATION: Final = "authorization"


class OperatorMethods(CallInterceptor):
    """Lets only who has the operator token call `methods`, given as "/package.Service/Method".

    The handler isn't reached without it, and of a stream not one message is read. Without a token set nobody
    gets in, so that forgetting to set one opens nothing.
    """

    def __init__(self, token: SecretStr | None, methods: Collection[str]) -> None:
        self._expected = f"Bearer {token.get_secret_value()}".encode() if token else b""
        self._methods = frozenset(methods)

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        """Raises Unauthenticated, or Forbidden when there is no token that would do."""
        if call.method in self._methods:
            self._check(call)
        yield

    def _check(self, call: Call) -> None:
        if not self._expected:
            raise Forbidden("Operator methods are off: the service has no operator token.")
        sent = call.metadata.get(_AUTHORIZATION, "")
        given = sent if isinstance(sent, bytes) else sent.encode()
        # Compared in constant time: how long it takes tells nothing of where the two differ.
        if not hmac.compare_digest(given, self._expected):
            raise Unauthenticated("This method needs the operator token: authorization: Bearer <token>.")


def sending_bearer(token: SecretStr) -> list[grpc.aio.ClientInterceptor]:
    """Interceptors that send the token with each call.

    For a plain channel inside a trusted network. gRPC's own call credentials do the same, and only over TLS.
    """
    return sending(lambda: [(_AUTHORIZATION, f"Bearer {token.get_secret_value()}")])
