"""A service's breakers: by name, each with its settings, and what Prometheus reads of them."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from tests.kit.breaker.conftest import fails, ok
from workbook_lib.kit.breaker import BreakerMetrics, Breakers, BreakerSettings

TOUCHY = BreakerSettings(request_volume_threshold=1)


async def test_a_name_has_one_breaker_and_fails_by_itself(clock):
    breakers = Breakers(TOUCHY, clock=clock)
    assert breakers.of("users-1") is breakers.of("users-1")
    with pytest.raises(ConnectionError):
        await breakers.of("users-1").call(fails)
    assert await breakers.of("users-2").call(ok) == "ok"
    assert {breaker.name: breaker.state for breaker in breakers} == {"users-1": "open", "users-2": "closed"}


def test_a_name_can_have_settings_of_its_own():
    own = BreakerSettings(timeout_seconds=0.2)
    breakers = Breakers(TOUCHY, named={"search": own})
    assert breakers.of("search").settings is own
    assert breakers.of("users").settings is TOUCHY


def test_a_callee_that_is_gone_can_be_forgotten():
    breakers = Breakers()
    first = breakers.of("users-1")
    breakers.forget("users-1")
    breakers.forget("users-1")
    assert list(breakers) == []
    assert breakers.of("users-1") is not first


async def test_listeners_hear_of_all_breakers(clock):
    told = []
    breakers = Breakers(TOUCHY, clock=clock, listeners=[told.append])
    for name in ("a", "b"):
        with pytest.raises(ConnectionError):
            await breakers.of(name).call(fails)
    assert [(change.name, change.after) for change in told] == [("a", "open"), ("b", "open")]


async def test_prometheus_reads_state_outcomes_fallbacks_and_changes(clock):
    breakers, registry = Breakers(TOUCHY, clock=clock), CollectorRegistry()
    registry.register(BreakerMetrics(breakers))
    assert registry.get_sample_value("breaker_state", {"breaker": "users", "state": "closed"}) is None
    users = breakers.of("users")
    await users.call(ok)
    for _ in range(3):
        await users.call(fails, fallback=lambda error: None)

    def value(metric: str, **labels: str) -> float | None:
        return registry.get_sample_value(metric, {"breaker": "users", **labels})

    assert [value("breaker_state", state=state) for state in ("closed", "open", "half-open")] == [0, 1, 0]
    assert value("breaker_calls_total", outcome="success") == 1
    assert value("breaker_calls_total", outcome="failure") == 1
    assert value("breaker_calls_total", outcome="short_circuited") == 2
    assert value("breaker_fallbacks_total", outcome="success") == 3
    assert value("breaker_state_changes_total", state="open") == 1
    assert value("breaker_calls_in_flight") == 0
    assert b'breaker_state{breaker="users",state="open"} 1.0' in generate_latest(registry)


async def test_snapshots_come_by_name_and_as_json(clock):
    breakers = Breakers(TOUCHY, clock=clock)
    for name in ("b", "a"):
        await breakers.of(name).call(ok)
    told = [snapshot.model_dump(mode="json") for snapshot in breakers.snapshots()]
    assert [each["name"] for each in told] == ["a", "b"]
    assert told[0]["totals"]["success"] == told[0]["window"]["calls"] == 1
