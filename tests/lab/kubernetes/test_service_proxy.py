"""Which endpoints a Service's connections go to, and in which order."""

import itertools

from lightkube.models.discovery_v1 import Endpoint, EndpointConditions, EndpointPort
from lightkube.resources.discovery_v1 import EndpointSlice

from workbook_lib.lab.kubernetes.service_proxy import Balancer, endpoints_of


def _slice(*endpoints, port=EndpointPort(name="http", port=8000)):  # noqa: B008 - a value
    return EndpointSlice(addressType="IPv4", endpoints=list(endpoints), ports=[port])


def _endpoint(number, **conditions):
    return Endpoint(addresses=[f"10.244.0.{number}"], conditions=EndpointConditions(**conditions))


READY = {"ready": True, "serving": True, "terminating": False}
STARTING = {"ready": False, "serving": False, "terminating": False}
DRAINING = {"ready": False, "serving": True, "terminating": True}
GOING = {"ready": False, "serving": False, "terminating": True}


def test_only_ready_endpoints_of_all_slices_get_connections():
    slices = [
        _slice(_endpoint(1, **READY), _endpoint(2, **STARTING)),
        _slice(_endpoint(3, **READY), _endpoint(4, **DRAINING)),
    ]
    assert endpoints_of(slices, "http") == [("127.244.0.1", 8000), ("127.244.0.3", 8000)]


def test_without_a_ready_one_those_that_drain_get_them():
    slices = [_slice(_endpoint(2, **STARTING), _endpoint(4, **DRAINING), _endpoint(5, **GOING))]
    assert endpoints_of(slices, "http") == [("127.244.0.4", 8000)]


def test_what_is_unknown_counts_as_ready():
    assert endpoints_of([_slice(_endpoint(1))], "http") == [("127.244.0.1", 8000)]


def test_ports_are_told_apart_by_name_and_addresses_outside_left_out():
    outside = Endpoint(addresses=["192.0.2.1"], conditions=EndpointConditions(**READY))
    slices = [
        _slice(_endpoint(1, **READY), outside),
        _slice(_endpoint(1, **READY), port=EndpointPort(name="grpc", port=9000)),
    ]
    assert endpoints_of(slices, "grpc") == [("127.244.0.1", 9000)]
    assert endpoints_of(slices, "http") == [("127.244.0.1", 8000)]


def test_round_robin_and_every_other_endpoint_after_it():
    a, b, c = ("127.244.0.1", 1), ("127.244.0.2", 1), ("127.244.0.3", 1)
    balancer = Balancer([a, b, c])
    assert [next(balancer.order()) for _ in range(6)] == [a, b, c, a, b, c]
    assert list(itertools.islice(balancer.order(), 5)) == [a, b, c]
    assert list(Balancer().order()) == []
