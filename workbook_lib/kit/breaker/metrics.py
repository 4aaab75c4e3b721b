"""Breakers in Prometheus' terms, read when somebody asks: counting a call costs nothing more."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from workbook_lib.kit.breaker.model import FALLBACKS, OUTCOMES, STATES
from workbook_lib.kit.breaker.registry import Breakers

__all__ = ["BreakerMetrics"]


class BreakerMetrics(Collector):
    """For `registry.register(BreakerMetrics(breakers))`."""

    def __init__(self, breakers: Breakers) -> None:
        self._breakers = breakers

    def collect(self) -> Iterator[Metric]:
        """State, calls by outcome, fallbacks, changes of state and calls under way of each breaker."""
        state = GaugeMetricFamily("breaker_state", "1 for the state it is in.", labels=("breaker", "state"))
        changes = CounterMetricFamily(
            "breaker_state_changes", "Changes into a state.", labels=("breaker", "state")
        )
        calls = CounterMetricFamily(
            "breaker_calls", "Calls by how they ended.", labels=("breaker", "outcome")
        )
        fallbacks = CounterMetricFamily(
            "breaker_fallbacks", "Fallbacks by how they ended.", labels=("breaker", "outcome")
        )
        in_flight = GaugeMetricFamily("breaker_calls_in_flight", "Calls under way.", labels=("breaker",))
        for breaker in self._breakers:
            told = breaker.snapshot()
            totals = told.totals.model_dump()
            in_flight.add_metric((told.name,), told.in_flight)
            for each in STATES:
                state.add_metric((told.name, each), told.state == each)
                changes.add_metric((told.name, each), told.changes[each])
            for outcome in OUTCOMES:
                calls.add_metric((told.name, outcome), totals[outcome])
            for fallback in FALLBACKS:
                fallbacks.add_metric((told.name, fallback.removeprefix("fallback_")), totals[fallback])
        yield from (state, changes, calls, fallbacks, in_flight)
