"""The oncall service hears Alertmanager's webhook and remembers a bounded number of alerts."""

import pytest

from services.oncall.app import build
from services.oncall.settings import OncallSettings


@pytest.fixture
async def oncall(running):
    async with running(build(OncallSettings(kept_alerts=3))) as client:
        yield client


def _message(*alerts):
    """A message as Alertmanager sends it, with fields that the service doesn't need."""
    return {
        "version": "4",
        "groupKey": '{}:{alertname="InstanceDown"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "oncall",
        "groupLabels": {"alertname": "InstanceDown"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://laptop:9093",
        "alerts": list(alerts),
    }


def _alert(instance, status="firing", started="2026-11-24T10:00:00.123Z"):
    return {
        "status": status,
        "labels": {"alertname": "InstanceDown", "service": "user-service", "instance": instance},
        "annotations": {"summary": f"{instance} doesn't answer"},
        "startsAt": started,
        "endsAt": "2026-11-24T10:01:00Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "http://laptop:9090/graph",
        "fingerprint": f"fp-{instance}",
    }


async def _listed(oncall, **params):
    return (await oncall.get("/alerts", params=params)).json()["alerts"]


async def test_an_alert_is_listed_from_when_it_fires(oncall):
    answer = await oncall.post("/alerts", json=_message(_alert("users-1")))
    (alert,) = await _listed(oncall)
    assert answer.status_code == 204
    assert (alert["name"], alert["status"], alert["ended_at"]) == ("InstanceDown", "firing", None)
    assert alert["summary"] == "users-1 doesn't answer"
    assert alert["labels"]["service"] == "user-service"


async def test_it_is_the_same_alert_when_it_is_repeated_and_when_it_is_resolved(oncall):
    for status in ("firing", "firing", "resolved"):
        await oncall.post("/alerts", json=_message(_alert("users-1", status)))
    (alert,) = await _listed(oncall)
    assert (alert["status"], alert["messages"]) == ("resolved", 3)
    assert alert["ended_at"] == "2026-11-24T10:01:00Z"
    assert await _listed(oncall, status="firing") == []


async def test_a_message_that_comes_late_doesnt_let_a_resolved_alert_fire_again(oncall):
    for status in ("resolved", "firing"):
        await oncall.post("/alerts", json=_message(_alert("users-1", status)))
    assert [alert["status"] for alert in await _listed(oncall)] == ["resolved"]


async def test_the_same_trouble_later_is_another_alert(oncall):
    await oncall.post("/alerts", json=_message(_alert("users-1", "resolved")))
    await oncall.post("/alerts", json=_message(_alert("users-1", started="2026-11-24T11:00:00Z")))
    assert [alert["status"] for alert in await _listed(oncall)] == ["firing", "resolved"]


async def test_its_memory_is_bounded_and_what_still_fires_is_kept_longest(oncall):
    await oncall.post("/alerts", json=_message(_alert("a"), _alert("b", "resolved"), _alert("c")))
    await oncall.post("/alerts", json=_message(_alert("d"), _alert("e")))
    assert [alert["fingerprint"] for alert in await _listed(oncall)] == ["fp-e", "fp-d", "fp-c"]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"version": "4", "alerts": [{"status": "maybe"}]},
        {"version": "4", "alerts": [_alert("a") | {"startsAt": "yesterday"}]},
        {"version": "4", "alerts": [_alert("a")] * 1001},
    ],
)
async def test_what_is_no_message_of_alertmanagers_is_refused_with_the_uniform_error(oncall, wrong):
    answer = await oncall.post("/alerts", json=wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, 40001)
    assert await _listed(oncall) == []
