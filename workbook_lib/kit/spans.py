"""A recording span as light as every request can afford, handed to the SDK's processors when it ends.

The SDK's own span checks and copies each attribute under locks, and costs four times as much; it stays what
all other spans are. What was measured: docs/decisions/0001-pure-asgi-edge.md.
"""

import time
import traceback
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import Attributes, AttributeValue

__all__ = ["LightSpan", "start_light_span"]

_UNSET = Status()


class LightSpan(trace.Span):
    """See `opentelemetry.trace.Span`; the SDK's rules without its limits and warnings.

    A change after the end is ignored, and so is a status after OK. It is for one thread at a time, as a
    request is: attributes that are set from several are kept, but their order is by chance.
    """

    def __init__(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: dict[str, AttributeValue],
        *,
        resource: Resource,
        scope: InstrumentationScope,
        processors: Sequence[SpanProcessor],
    ) -> None:
        self._name, self._context, self._parent, self._kind = name, context, parent, kind
        self._attributes = attributes
        self._resource, self._scope, self._processors = resource, scope, processors
        self._events: list[Event] = []
        self._links: list[Link] = []
        self._status = _UNSET
        self._end_time: int | None = None
        self._start_time = time.time_ns()

    def get_span_context(self) -> SpanContext:
        """Its ids."""
        return self._context

    def is_recording(self) -> bool:
        """Whether it hasn't ended."""
        return self._end_time is None

    def set_attributes(self, attributes: Attributes) -> None:
        """Add or replace several."""
        if self._end_time is None and attributes:
            self._attributes.update(attributes)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Add or replace one."""
        if self._end_time is None:
            self._attributes[key] = value

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Note that something happened, now unless a time (ns) is given."""
        if self._end_time is None:
            self._events.append(Event(name, attributes, timestamp=timestamp))

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Point to another span, if that is one."""
        if self._end_time is None and context.is_valid:
            self._links.append(Link(context, attributes))

    def update_name(self, name: str) -> None:
        """Call it otherwise."""
        if self._end_time is None:
            self._name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Say what came of it."""
        new = status if isinstance(status, Status) else Status(status, description)
        final = self._status.status_code is StatusCode.OK or self._end_time is not None
        if not final and new.status_code is not StatusCode.UNSET:
            self._status = new

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Note an exception as an event, by the conventions for exceptions."""
        kind = type(exception)
        prefix = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        noted: dict[str, AttributeValue] = {
            "exception.type": f"{prefix}{kind.__qualname__}",
            "exception.message": str(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", noted | dict(attributes or {}), timestamp)

    def end(self, end_time: int | None = None) -> None:
        """End it, now unless a time (ns) is given, and hand it on; once."""
        if self._end_time is not None:
            return
        self._end_time = time.time_ns() if end_time is None else end_time
        ended = ReadableSpan(
            self._name,
            self._context,
            self._parent,
            self._resource,
            self._attributes,
            self._events,
            self._links,
            self._kind,
            status=self._status,
            start_time=self._start_time,
            end_time=self._end_time,
            instrumentation_scope=self._scope,
        )
        for processor in self._processors:
            processor.on_end(ended)


def start_light_span(
    name: str,
    parent: Context,
    kind: SpanKind,
    attributes: dict[str, AttributeValue],
    *,
    sdk: TracerProvider,
    scope: InstrumentationScope,
    processors: Sequence[SpanProcessor],
) -> trace.Span:
    """Start one, its ids, its sampling and its resource as `sdk`'s own spans have them."""
    above = trace.get_current_span(parent).get_span_context()
    if above.is_valid:
        trace_id, random, parent_context = above.trace_id, above.trace_flags.random_trace_id, above
    else:
        trace_id, random = sdk.id_generator.generate_trace_id(), sdk.id_generator.is_trace_id_random()
        parent_context = None
    sampled = sdk.sampler.should_sample(parent, trace_id, name, kind, attributes, ())
    kept = sampled.decision is Decision.RECORD_AND_SAMPLE
    flags = TraceFlags.SAMPLED if kept else TraceFlags.DEFAULT
    if random:
        flags |= TraceFlags.RANDOM_TRACE_ID
    span_id = sdk.id_generator.generate_span_id()
    context = SpanContext(trace_id, span_id, False, TraceFlags(flags), sampled.trace_state)
    if sampled.decision is Decision.DROP:
        return trace.NonRecordingSpan(context)
    return LightSpan(
        name,
        context,
        parent_context,
        kind,
        dict(sampled.attributes),
        resource=sdk.resource,
        scope=scope,
        processors=processors,
    )
