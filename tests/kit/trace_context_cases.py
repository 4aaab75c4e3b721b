"""What callers send of a trace, and what a service has to make of it, whichever way it came.

After the validation suite of W3C Trace Context (level 2) and the limits of W3C Baggage.
"""

from typing import NamedTuple

TRACE_ID = "12345678901234567890123456789012"
PARENT_ID = "1234567890123456"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"
STARTED_ANEW = ""


class Sent(NamedTuple):
    """Headers, and what is sent on of them: the trace's id ("" for another one), its state, the baggage."""

    rule: str
    headers: tuple[tuple[str, str], ...]
    trace_id: str = TRACE_ID
    state: str | None = None
    baggage: str | None = None


def traceparent(rule: str, value: str, trace_id: str = STARTED_ANEW) -> Sent:
    """A trace that is begun anew takes no state from the old one."""
    state = "a=1" if trace_id else None
    return Sent(rule, (("traceparent", value), ("tracestate", "a=1")), trace_id, state)


def tracestate(rule: str, *values: str, kept: str | None) -> Sent:
    """Whatever is wrong with it, the trace goes on."""
    return Sent(rule, (("traceparent", TRACEPARENT), *(("tracestate", v) for v in values)), state=kept)


def baggage(rule: str, *values: str, kept: str | None) -> Sent:
    """Baggage has no effect on the trace."""
    return Sent(rule, (("traceparent", TRACEPARENT), *(("baggage", v) for v in values)), baggage=kept)


_MEMBERS = [f"k{number:02}=v" for number in range(65)]

CASES = [
    traceparent("as it should be", TRACEPARENT, TRACE_ID),
    traceparent("a trace's id of zeros", f"00-{'0' * 32}-{PARENT_ID}-01"),
    traceparent("a parent's id of zeros", f"00-{TRACE_ID}-{'0' * 16}-01"),
    traceparent("upper case", f"00-{'A' * 32}-{PARENT_ID}-01"),
    traceparent("not hexadecimal", f"00-{'.' * 32}-{PARENT_ID}-01"),
    traceparent("too short", TRACEPARENT[:-1]),
    traceparent("too long", f"{TRACEPARENT}1"),
    traceparent("more than version 00 has", f"{TRACEPARENT}-what-comes"),
    traceparent("a later version, which may have more", f"cc-{TRACEPARENT[3:]}-what-comes", TRACE_ID),
    traceparent("a later version, its next field not set off", f"cc-{TRACEPARENT[3:]}.what-comes"),
    traceparent("version ff is forbidden", f"ff-{TRACEPARENT[3:]}"),
    traceparent("a version of one digit", TRACEPARENT[1:]),
    traceparent("spaces around it", f" \t{TRACEPARENT} ", TRACE_ID),
    traceparent("flags that aren't defined", f"{TRACEPARENT[:-2]}fd", TRACE_ID),
    Sent("two of them", (("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)), STARTED_ANEW),
    Sent(
        "two that differ",
        (("traceparent", TRACEPARENT), ("traceparent", f"00-{'b' * 32}-{PARENT_ID}-01")),
        STARTED_ANEW,
    ),
    tracestate("its members in order", "foo=1,bar=2", kept="foo=1,bar=2"),
    tracestate("in several headers", "foo=1,bar=2", "rojo=1", "congo=2", kept="foo=1,bar=2,rojo=1,congo=2"),
    tracestate("empty", "", kept=None),
    tracestate("empty members", "foo=1,,bar=2, \t,", kept="foo=1,bar=2"),
    tracestate("spaces around members", "foo=1 \t , \t bar=2", kept="foo=1,bar=2"),
    tracestate("a value's leading spaces are its own", "foo=  1", kept="foo=  1"),
    tracestate("a key twice", "foo=1,foo=2", kept=None),
    tracestate("a key twice in two headers", "foo=1", "foo=2", kept=None),
    tracestate("a key that begins with a digit (level 2)", "1a-2f@foo=bar", kept="1a-2f@foo=bar"),
    tracestate("an at sign anywhere but first (level 2)", "a@b@c=1", kept="a@b@c=1"),
    tracestate("a key in upper case", "FOO=1,bar=2", kept=None),
    tracestate("a key that begins with an at sign", "@foo=1,bar=2", kept=None),
    tracestate("an equals sign in a value", "foo=1=2,bar=2", kept=None),
    tracestate("no value", "foo=,bar=2", kept=None),
    tracestate("a key as long as allowed", f"{'z' * 256}=1", kept=f"{'z' * 256}=1"),
    tracestate("a key too long", f"{'z' * 257}=1,bar=2", kept=None),
    tracestate("32 members", ",".join(_MEMBERS[:32]), kept=",".join(_MEMBERS[:32])),
    tracestate("33 members", ",".join(_MEMBERS[:33]), kept=None),
    baggage("as it should be", "tenant=blue", kept="tenant=blue"),
    baggage("in several headers", "tenant=blue", "user=7", kept="tenant=blue,user=7"),
    baggage(
        "what isn't a member is left out", "tenant=blue,nonsense,=x,a b=c,user=7", kept="tenant=blue,user=7"
    ),
    baggage("spaces around signs", "tenant = blue , user\t=7", kept="tenant=blue,user=7"),
    baggage("a plus is a plus, a space is percent-encoded", "sum=1+1%20x", kept="sum=1+1%20x"),
    baggage("properties travel on", "tenant=blue;level=2;inner", kept="tenant=blue;level=2;inner"),
    baggage("64 members", ",".join(_MEMBERS[:64]), kept=",".join(_MEMBERS[:64])),
    baggage("more than 64 members", ",".join(_MEMBERS), kept=",".join(_MEMBERS[:64])),
]
