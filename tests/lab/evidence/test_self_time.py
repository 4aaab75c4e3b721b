"""Each moment of a request is put down to whoever it was spent by or for."""

from workbook_lib.lab.evidence import SelfTime, Span, Trace, self_times

MS = 1_000_000


def span(name, parent, service, kind, start_ms, end_ms, trace="t1"):
    return Span(trace, name, parent, service, "", name, kind, int(start_ms * MS), int(end_ms * MS))


REQUEST = [
    span("entry", None, "gateway", "server", 0, 100),
    span("ask", "entry", "gateway", "client", 10, 90),
    span("serve", "ask", "users", "server", 40, 80),
    span("look", "serve", "users", "client", 50, 55),  # Redis makes no spans
    span("step", "serve", "users", "internal", 60, 70),
]


def test_the_time_of_a_request_is_divided_among_its_services():
    assert self_times([Trace.of(REQUEST)]) == [
        SelfTime("users", own_ms=35, stores_ms=5, way_ms=40),
        SelfTime("gateway", own_ms=20, stores_ms=0, way_ms=0),
    ]
    assert sum(each.total_ms for each in self_times([Trace.of(REQUEST)])) == 100


def test_what_several_traces_took_is_a_mean():
    slow = [span("entry", None, "gateway", "server", 0, 300, trace="t2")]
    found = {each.service: each.total_ms for each in self_times([Trace.of(REQUEST), Trace.of(slow)])}
    assert found == {"users": 40, "gateway": 160}


def test_children_that_are_at_work_together_cover_their_parent_once():
    both = [
        span("entry", None, "gateway", "server", 0, 100),
        span("one", "entry", "gateway", "internal", 10, 60),
        span("two", "entry", "gateway", "internal", 40, 80),
    ]
    assert self_times([Trace.of(both)]) == [SelfTime("gateway", own_ms=30 + 50 + 40, stores_ms=0, way_ms=0)]


def test_a_consumer_that_begins_when_its_producer_is_done_takes_nothing_from_it():
    sent = [
        span("send", None, "orders", "producer", 0, 10),
        span("process", "send", "audit", "consumer", 20, 25),
    ]
    found = {
        each.service: (each.own_ms, each.stores_ms, each.way_ms) for each in self_times([Trace.of(sent)])
    }
    assert found == {"orders": (0, 10, 0), "audit": (5, 0, 0)}


def test_nothing_recorded_is_nobodys_time():
    assert self_times([]) == []
