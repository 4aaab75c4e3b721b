"""What a request or message says of its trace: W3C Trace Context level 2, and W3C Baggage.

https://www.w3.org/TR/trace-context-2/ and https://www.w3.org/TR/baggage/. OpenTelemetry's own propagators
read `tracestate` by level 1, pass on flags that aren't defined, take the first of two `baggage` headers,
change the properties of its members, and log a warning with whatever anybody sends.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, unquote

from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators import textmap
from opentelemetry.trace import SpanContext, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["PROPAGATION_HEADERS", "Baggage", "TraceContext", "combined"]

PROPAGATION_HEADERS: Final = frozenset({"traceparent", "tracestate", "baggage"})

_MAX_STATE_MEMBERS: Final = 32
_MAX_STATE_CHARACTERS: Final = 8192  # at least 512 should be passed on
_LONG_STATE_MEMBER: Final = 128
_MAX_BAGGAGE_MEMBERS: Final = 64  # these two must be passed on, and we pass on no more
_MAX_BAGGAGE_CHARACTERS: Final = 8192
_KNOWN_FLAGS: Final = TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID
_OWS: Final = " \t"

_TRACEPARENT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_STATE_MEMBER: Final = re.compile(
    r"(?P<key>[a-z0-9][a-z0-9_\-*/@]{0,255})=(?P<value>[ -+\--<>-~]{0,255}[!-+\--<>-~])"
)
_BAGGAGE_MEMBER: Final = re.compile(
    r"(?P<key>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*"
    r"(?P<value>[!#-+\--:<-\[\]-~]*)(?P<properties>[ \t]*;.*)?"
)
_BAGGAGE_KEY: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PLAIN_IN_BAGGAGE: Final = "!#$&'()*+-./:<=>?@[]^_`{|}~"


def combined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The propagation headers among `headers`, in any case, those that come several times as one.

    Lists go on in a further header (RFC 9110, 5.3). A second `traceparent` makes the first one malformed, so
    that the trace is begun anew.
    """
    carrier: dict[str, str] = {}
    for name, value in headers:
        if (key := name.lower()) in PROPAGATION_HEADERS:
            known = carrier.get(key)
            carrier[key] = value if known is None else f"{known},{value}"
    return carrier


class TraceContext(TraceContextTextMapPropagator):
    """Reads `traceparent` and `tracestate`; writes them as OpenTelemetry does."""

    def extract(
        self,
        carrier: textmap.CarrierT,
        context: Context | None = None,
        getter: textmap.Getter[textmap.CarrierT] = textmap.default_getter,
    ) -> Context:
        """`context` with the caller's span; as it is when `traceparent` is missing or malformed.

        A `tracestate` that is malformed, or has more than 32 members, is left out: that must not affect the
        parent. Flags that level 2 doesn't define are set to zero, since they would be sent on.
        """
        context = Context() if context is None else context
        parent = _TRACEPARENT.fullmatch(_all(getter.get(carrier, "traceparent")).strip(_OWS))
        if parent is None or parent["version"] == "ff" or (parent["version"] == "00" and parent["more"]):
            return context
        trace_id, span_id = int(parent["trace"], 16), int(parent["parent"], 16)
        if not trace_id or not span_id:
            return context
        state = _all(getter.get(carrier, "tracestate"))
        above = SpanContext(
            trace_id,
            span_id,
            is_remote=True,
            trace_flags=TraceFlags(int(parent["flags"], 16) & _KNOWN_FLAGS),
            trace_state=_state(state) if state else None,
        )
        return trace.set_span_in_context(trace.NonRecordingSpan(above), context)


class Baggage(W3CBaggagePropagator):
    """Reads and writes `baggage`: at most 64 members and 8192 characters, further ones are left out whole."""

    def extract(
        self,
        carrier: textmap.CarrierT,
        context: Context | None = None,
        getter: textmap.Getter[textmap.CarrierT] = textmap.default_getter,
    ) -> Context:
        """`context` with the caller's baggage; malformed members are left out."""
        context = Context() if context is None else context
        header = _all(getter.get(carrier, "baggage"))
        if not header:
            return context
        members = (member.strip(_OWS) for member in header.split(","))
        for member in _within(filter(None, members)):
            if found := _BAGGAGE_MEMBER.fullmatch(member):
                value = _Value(unquote(found["value"], errors="replace"))
                value.properties = (found["properties"] or "").strip(_OWS)
                context = baggage.set_baggage(found["key"], value, context)
        return context

    def inject(
        self,
        carrier: textmap.CarrierT,
        context: Context | None = None,
        setter: textmap.Setter[textmap.CarrierT] = textmap.default_setter,
    ) -> None:
        """Write the context's baggage, values percent-encoded; a key that can't be written is left out."""
        if not (entries := baggage.get_all(context)):
            return
        members = (
            f"{key}={_written(value)}" for key, value in entries.items() if _BAGGAGE_KEY.fullmatch(key)
        )
        if header := ",".join(_within(members)):
            setter.set(carrier, "baggage", header)


class _Value(str):
    """A value of baggage that came with properties, which travel on with it."""

    properties = ""


def _written(value: object) -> str:
    properties = value.properties if isinstance(value, _Value) else ""
    return quote(str(value), safe=_PLAIN_IN_BAGGAGE) + properties


class _State(TraceState):
    """A `tracestate` as it came, its keys by level 2, which OpenTelemetry's own constructor refuses."""

    def __init__(self, members: dict[str, str]) -> None:
        super().__init__()
        self._dict = members


def _all(values: Iterable[str] | None) -> str:
    return ",".join(values) if values else ""


def _state(header: str) -> TraceState | None:
    members: dict[str, str] = {}
    for raw in header.split(","):
        # A value may begin with spaces, a key not; empty members are allowed.
        if not (member := raw.strip(_OWS)):
            continue
        found = _STATE_MEMBER.fullmatch(member)
        if found is None or found["key"] in members or len(members) == _MAX_STATE_MEMBERS:
            return None
        members[found["key"]] = found["value"]
    _shorten(members)
    return _State(members) if members else None


def _shorten(members: dict[str, str]) -> None:
    """Leave out whole members until the limit is kept: long ones first, then from the end."""
    size = sum(len(key) + len(value) + 2 for key, value in members.items()) - 1
    for least in (_LONG_STATE_MEMBER, 0):
        for key, value in reversed(list(members.items())):
            if size <= _MAX_STATE_CHARACTERS:
                return
            if (length := len(key) + len(value) + 1) > least:
                del members[key]
                size -= length + 1


def _within(members: Iterable[str]) -> Iterator[str]:
    """The first of `members` that keep baggage's limits together; a member too long isn't cut."""
    size = -1
    for number, member in enumerate(members):
        size += len(member) + 1
        if number == _MAX_BAGGAGE_MEMBERS or size > _MAX_BAGGAGE_CHARACTERS:
            return
        yield member
