"""The client side: one channel an instance, each call to the instance whose turn it is."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import grpc
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import aio_client_interceptors

from workbook_lib.kit import telemetry
from workbook_lib.kit.clock import SYSTEM_CLOCK
from workbook_lib.kit.consul import Instance
from workbook_lib.kit.discovery import Failover, Instances, Observe, RetryBudget
from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.rpc.elsewhere import Elsewhere
from workbook_lib.kit.rpc.outgoing import STREAMS, changing
from workbook_lib.kit.rpc.status import call_deadline, error_of

if TYPE_CHECKING:
    from workbook_lib.kit.breaker import Breakers

__all__ = ["RpcClient"]

StubT = TypeVar("StubT")

_CHANNEL_OPTIONS = [
    # gRPC waits up to two minutes between attempts to connect; an instance that is back should be used soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
]


class RpcClient(Generic[StubT]):
    """Calls one service at the instances that `instances` gives, by stubs of `stub_type`.

    Each call carries the trace context and a deadline: its own `timeout=`, or `timeout_seconds`, and
    never later than the deadline of the RPC that it is made for. A stream may last: of these it has the last.
    `service_config` tells gRPC what to try again (`kit.rpc.service_config`); the trace shows one call, and
    the server's side of each attempt. `interceptors` see calls inside their spans.

    With `retries`, a call that failed with UNAVAILABLE goes to another instance when its contract says that
    it may be sent again (`idempotency_level`), within its deadline and within `budget`. For that and for
    `breakers` and `observe` see `kit.discovery.Failover`. All three are for calls of one question and one
    answer. The trace shows a call for each instance tried.
    """

    def __init__(
        self,
        instances: Instances,
        stub_type: Callable[[grpc.aio.Channel], StubT],
        *,
        timeout_seconds: float = 1.0,
        service_config: str | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
        retries: int = 0,
        budget: RetryBudget | None = None,
        breakers: "Breakers | None" = None,
        observe: Observe | None = None,
    ) -> None:
        self.failover = Failover(
            instances, retries=retries, budget=budget, breakers=breakers, observe=observe
        )
        """Where calls go, and how many were sent once more."""
        self._has_failover = bool(retries or breakers or observe)
        self._instances = instances
        self._stub_type = stub_type
        self._timeout_seconds = timeout_seconds
        self._options: list[tuple[str, str | int]] = [*_CHANNEL_OPTIONS]
        if service_config is not None:
            self._options.append(("grpc.service_config", service_config))
        self._interceptors = tuple(interceptors)
        self._connected: dict[str, tuple[grpc.aio.Channel, StubT]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._started = False

    async def start(self) -> None:
        """Be ready to call; a channel connects with its first call."""
        self._started = True

    async def stop(self) -> None:
        """Close the channels; calls under way are cancelled."""
        self._started = False
        channels = [channel for channel, _ in self._connected.values()]
        self._connected.clear()
        await asyncio.gather(*(channel.close() for channel in channels), *self._closing)

    @contextmanager
    def stub(self) -> Iterator[StubT]:
        """The stub of the next instance. A call that fails in the block raises the service's typed error.

        Raises `NoInstances` when there is none to call.
        """
        if not self._started:
            raise Unavailable("the RPC client isn't started")
        with self.failover.lease() as instance:
            try:
                yield self._stub(instance)
            except grpc.aio.AioRpcError as failure:
                raise error_of(failure, instance.rpc_target) from failure

    def _stub(self, instance: Instance) -> StubT:
        target = instance.rpc_target
        if target not in self._connected:
            self._leave_gone()
            bounded = [*changing(_within_the_served, STREAMS), _Bounded(self._timeout_seconds)]
            elsewhere = [Elsewhere(self.failover, instance, self._stub, self._timeout_seconds)]
            interceptors = [
                *(elsewhere if self._has_failover else ()),  # outermost: each attempt has a span of its own
                *_tracing(),
                *self._interceptors,
                *bounded,
            ]
            channel = grpc.aio.insecure_channel(target, options=self._options, interceptors=interceptors)
            self._connected[target] = (channel, self._stub_type(channel))
        return self._connected[target][1]

    def _leave_gone(self) -> None:
        """Close the channels to instances that are no longer there, once their calls have ended."""
        known = {instance.rpc_target for instance in self._instances.instances}
        for target in self._connected.keys() - known:
            channel, _ = self._connected.pop(target)
            task = asyncio.ensure_future(channel.close(grace=self._timeout_seconds))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _tracing() -> list[grpc.aio.ClientInterceptor]:
    interceptors: list[grpc.aio.ClientInterceptor] = aio_client_interceptors(telemetry.provider())  # type: ignore[no-untyped-call]
    return interceptors


def _within_the_served(details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
    """The call, to end no later than the one that it is made for."""
    if (deadline := call_deadline.get()) is None:
        return details
    remaining = max(0.0, deadline - SYSTEM_CLOCK.monotonic())
    timeout = remaining if details.timeout is None else min(details.timeout, remaining)
    return _lasting(details, timeout)


def _lasting(details: grpc.aio.ClientCallDetails, seconds: float) -> grpc.aio.ClientCallDetails:
    return grpc.aio.ClientCallDetails(
        details.method, seconds, details.metadata, details.credentials, details.wait_for_ready
    )


class _Bounded(grpc.aio.UnaryUnaryClientInterceptor):
    """Ends each call of one question and one answer with its deadline, or with its caller.

    Must be the innermost: the call's span is current in it.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Any],
        client_call_details: grpc.aio.ClientCallDetails,
        request: object,
    ) -> Any:  # noqa: ANN401
        details = client_call_details
        if details.timeout is None:
            details = _lasting(details, self._timeout_seconds)
        bounded = _within_the_served(details)
        call = await continuation(bounded, request)
        try:
            await call.code()
        except asyncio.CancelledError:
            # The caller gave up. Tracing's interceptor would leave the call running and its span open.
            call.cancel()
            span = trace.get_current_span()
            span.set_attribute("rpc.grpc.status_code", grpc.StatusCode.CANCELLED.value[0])
            span.set_status(trace.Status(trace.StatusCode.ERROR, "cancelled by the caller"))
            span.end()
            raise
        return call
