"""Prometheus scrapes what Consul knows; what it fires reaches the oncall service through Alertmanager."""

import asyncio

import httpx2
import pytest

from workbook_lib.lab import Lab, LabError, monitoring
from workbook_lib.lab.evidence import Prometheus, eventually

pytestmark = pytest.mark.server

RULE = """
groups:
  - name: test
    rules:
      - alert: {name}
        expr: {expression}
        annotations:
          summary: "value {{{{ $value }}}}"
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory):
    """Prometheus and Alertmanager, and two services that are registered."""
    lab = Lab("monitoring-test", root=tmp_path_factory.mktemp("monitoring"))

    async def start() -> None:
        await lab.start("prometheus", "alertmanager", "consul", "welcome", "oncall")
        await monitoring.notify(lab["alertmanager"], lab["oncall"].url)

    asyncio.run(start())
    yield lab
    asyncio.run(lab.stop())


@pytest.fixture
def prometheus(lab: Lab) -> Prometheus:
    return Prometheus(lab.environment["PROMETHEUS_URL"])


async def _alerts(lab: Lab, name: str) -> list[dict[str, str]]:
    async with httpx2.AsyncClient(base_url=lab["oncall"].url, trust_env=False) as client:
        alerts = (await client.get("/alerts")).json()["alerts"]
    return [alert for alert in alerts if alert["name"] == name]


async def _told(lab: Lab, name: str, status: str) -> dict[str, str]:
    async def heard():
        return next((alert for alert in await _alerts(lab, name) if alert["status"] == status), None)

    return await eventually(heard, timeout_seconds=60)


async def test_every_registered_instance_is_scraped_within_seconds(lab, prometheus):
    async def up() -> set[str]:
        found = {reading.labels["service"] for reading in await prometheus.query('up{job="services"} == 1')}
        return found if len(found) == 2 else set()

    assert await eventually(up, timeout_seconds=60) == {"welcome", "oncall"}
    (welcome,) = await prometheus.query('up{service="welcome"}')
    assert welcome.labels["instance"] == f"welcome-{lab['welcome'].port()}"


async def test_requests_are_counted_in_prometheus_as_they_were_sent(lab, prometheus):
    query = 'http_requests_total{service="welcome", route="/{path}", status="200"}'
    before = await prometheus.value(query)
    async with httpx2.AsyncClient(base_url=lab["welcome"].url, trust_env=False) as client:
        for _ in range(7):
            await client.get("/counted")

    async def counted() -> bool:
        return await prometheus.value(query) == before + 7

    async def in_range() -> bool:
        series = await prometheus.query_range(query, seconds=5, step_seconds=1)
        return series[0].values[-1] == before + 7

    await eventually(counted, timeout_seconds=60)
    assert await eventually(in_range)  # a scrape that fails leaves a gap


async def test_an_alert_fires_reaches_oncall_and_is_resolved(lab, prometheus):
    await monitoring.load_rules(lab["prometheus"], "test", RULE.format(name="Test", expression="vector(3)"))
    assert (await _told(lab, "Test", "firing"))["summary"] == "value 3"
    await monitoring.load_rules(lab["prometheus"], "test", RULE.format(name="Test", expression="vector(3)>3"))
    assert (await _told(lab, "Test", "resolved"))["ended_at"]
    assert len(await _alerts(lab, "Test")) == 1


async def test_a_killed_instance_is_told_and_a_stopped_one_is_not(lab, prometheus):
    await lab.start("welcome")
    await lab["welcome"].kill()
    down = await _told(lab, "InstanceDown", "firing")
    assert down["labels"]["service"] == "welcome"
    await lab.start("welcome")
    await _told(lab, "InstanceDown", "resolved")

    async def gone() -> bool:
        return await prometheus.query('up{service="welcome"}') == []

    await lab["welcome"].stop()
    await eventually(gone, timeout_seconds=60)
    assert {alert["status"] for alert in await _alerts(lab, "InstanceDown")} == {"resolved"}
    await lab.start("welcome")


@pytest.mark.parametrize(
    ("expression", "cause"), [("sum(", "unclosed left parenthesis"), ("[1, 2]", "unmarshal errors")]
)
async def test_wrong_rules_are_refused_with_prometheus_own_words_and_the_old_ones_stay(
    lab, expression, cause
):
    folder = lab["prometheus"].folder / "rules"
    before = {path.name: path.read_text() for path in folder.iterdir()}
    for name in ("alerts", "new"):
        with pytest.raises(LabError, match=rf"prometheus refuses it and goes on(.|\n)*{cause}"):
            await monitoring.load_rules(
                lab["prometheus"], name, RULE.format(name="Wrong", expression=expression)
            )
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


async def test_an_address_that_is_none_is_refused_by_alertmanager(lab):
    with pytest.raises(LabError, match=r"alertmanager refuses it and goes on(.|\n)*unsupported scheme"):
        await monitoring.notify(lab["alertmanager"], "nobody")


async def test_an_alert_that_oncall_couldnt_take_is_delivered_when_it_is_back(lab):
    """Alertmanager tries again until it has been heard."""
    await lab["oncall"].stop()
    rule = RULE.format(name="Late", expression="vector(1)")
    await monitoring.load_rules(lab["prometheus"], "late", rule)
    await eventually(lambda: "Notify attempt failed" in lab["alertmanager"].log_tail(200), 60)
    await lab.start("oncall")
    await monitoring.notify(lab["alertmanager"], lab["oncall"].url)
    assert (await _told(lab, "Late", "firing"))["summary"] == "value 1"


async def test_all_that_they_write_is_in_their_folders_and_they_stop_by_themselves(tmp_path):
    async with Lab("monitoring-stop", root=tmp_path) as lab:
        await lab.start("prometheus", "alertmanager")
        handles = [lab["prometheus"], lab["alertmanager"]]
        scraped = Prometheus(lab.environment["PROMETHEUS_URL"])
        await eventually(lambda: scraped.query('up{job="prometheus"} == 1'), 60)
        assert [await handle.stop(30) for handle in handles] == [0, 0]
        assert all((handle.folder / "data").is_dir() for handle in handles)
    assert [path.name for path in tmp_path.iterdir()] == [".workbook"]
