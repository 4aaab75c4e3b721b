"""A call that fails at one instance is sent to another, out of sight of whoever made it."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool

from workbook_lib.kit.clock import SYSTEM_CLOCK
from workbook_lib.kit.consul import Instance
from workbook_lib.kit.discovery import Failover
from workbook_lib.kit.errors import DeadlineExceeded, ServiceError, Unavailable
from workbook_lib.kit.rpc.service_config import is_repeatable
from workbook_lib.kit.rpc.status import error_of

__all__ = ["Elsewhere", "may_repeat"]

_attempt_under_way: Final[ContextVar[bool]] = ContextVar("attempt_under_way", default=False)


class Elsewhere(grpc.aio.UnaryUnaryClientInterceptor):
    """Makes each call of one channel at its `instance`, and at the stubs of others when that fails.

    Must be the outermost. What it returns is the call that succeeded, or the last one that failed.
    """

    def __init__(
        self,
        failover: Failover,
        instance: Instance,
        stub_of: Callable[[Instance], object],
        timeout_seconds: float,
    ) -> None:
        self._failover = failover
        self._instance = instance
        self._stub_of = stub_of
        self._timeout_seconds = timeout_seconds

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Any],
        client_call_details: grpc.aio.ClientCallDetails,
        request: object,
    ) -> Any:  # noqa: ANN401
        """One call, however many instances it takes."""
        details = client_call_details
        if _attempt_under_way.get():  # by another instance's stub, for the interceptor of the first
            return await continuation(details, request)
        timeout = self._timeout_seconds if details.timeout is None else details.timeout
        deadline = SYSTEM_CLOCK.monotonic() + timeout
        failed: list[Any] = []

        async def attempt(instance: Instance) -> Any:  # noqa: ANN401
            failed.clear()
            if instance.rpc_target == self._instance.rpc_target:
                call = await continuation(details, request)
            else:
                call = self._call_at(instance, details, request, deadline)
            await _outcome(call, instance.rpc_target, failed)
            return call

        repeatable = may_repeat(details.method)
        try:
            return await self._failover.call(
                attempt,
                lambda error: repeatable and isinstance(error, Unavailable | DeadlineExceeded),
                first=self._instance,
                deadline=deadline,
            )
        except ServiceError:
            if not failed:  # no instance was left, or the breakers let nothing through
                raise
            return failed[0]

    def _call_at(
        self, instance: Instance, details: grpc.aio.ClientCallDetails, request: object, deadline: float
    ) -> Any:  # noqa: ANN401
        method = _text(details.method).rpartition("/")[2]
        token = _attempt_under_way.set(True)
        try:
            return getattr(self._stub_of(instance), method)(
                request,
                timeout=max(0.0, deadline - SYSTEM_CLOCK.monotonic()),
                metadata=details.metadata,
                credentials=details.credentials,
                wait_for_ready=details.wait_for_ready,
            )
        finally:
            _attempt_under_way.reset(token)


async def _outcome(call: Any, target: str, failed: list[Any]) -> None:  # noqa: ANN401
    """Wait for a call; it is kept in `failed` if it fails, and cancelled with its caller."""
    try:
        await call
    except grpc.aio.AioRpcError as failure:
        failed.append(call)
        raise error_of(failure, target) from failure
    except asyncio.CancelledError:
        call.cancel()
        raise


def may_repeat(method: str | bytes) -> bool:
    """Whether the contract of `/package.Service/Method` says that it may be sent again.

    A method whose contract isn't loaded in this process may not.
    """
    name = _text(method).strip("/").replace("/", ".")
    try:
        return is_repeatable(descriptor_pool.Default().FindMethodByName(name))
    except KeyError:
        return False


def _text(method: str | bytes) -> str:
    return method.decode() if isinstance(method, bytes) else method
