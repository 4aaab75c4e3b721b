"""An id for each call that people can quote: `x-request-id`, as Envoy and other proxies know it.

It travels in the metadata, there and back, through every service that a call leads to. Traces have an id of
their own; this one may be chosen by who calls.
"""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import grpc

from workbook_lib.kit.rpc.interception import Call, CallInterceptor
from workbook_lib.kit.rpc.outgoing import sending

__all__ = ["REQUEST_ID", "RequestIds", "current_request_id", "sending_request_ids"]

REQUEST_ID: Final = "x-request-id"

_current: ContextVar[str | None] = ContextVar("request_id", default=None)
# It goes into logs and into other services' metadata, so not just anything.
_FORM: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def current_request_id() -> str | None:
    """The id of the call that is being served; None where there is none."""
    return _current.get()


class RequestIds(CallInterceptor):
    """Takes the caller's id, or makes one in place of none or of a malformed one, and sends it back.

    Back with the trailing metadata: a call whose answer has begun, if only with headers, isn't tried again.
    """

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        """Have the id as the current one. It stays so until the call's task ends, for the access log."""
        sent = call.metadata.get(REQUEST_ID)
        request_id = sent if isinstance(sent, str) and _FORM.fullmatch(sent) else uuid.uuid4().hex
        _current.set(request_id)
        call.context.set_trailing_metadata(
            (*(call.context.trailing_metadata() or ()), (REQUEST_ID, request_id))
        )
        yield


def sending_request_ids() -> list[grpc.aio.ClientInterceptor]:
    """Interceptors that pass the current id on, or begin with a new one."""
    return sending(lambda: [(REQUEST_ID, _current.get() or uuid.uuid4().hex)])
