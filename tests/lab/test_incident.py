"""Who is slow isn't told, and can be read from traces."""

import asyncio
from datetime import UTC, datetime

import httpx2
import pytest

from workbook_lib.lab import Lab, LabError
from workbook_lib.lab.evidence import Jaeger, eventually, healthy_instances, self_times
from workbook_lib.lab.incident import Incident

pytestmark = pytest.mark.server

SUSPECTS = {"users": "http", "products": "http"}
PATHS = ("/users/user123", "/api/v2/products")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab("incident-test", root=tmp_path_factory.mktemp("incident"))
    patient = {"GATEWAY_TIMEOUT_SECONDS": "20"}
    asyncio.run(lab.start("consul", "jaeger", "users", "products", "gateway", env=patient))
    yield lab
    asyncio.run(lab.stop())


async def _seconds(lab, path):
    """Of the quickest of three requests through the gateway: chance disturbs some, a fault all."""
    async with httpx2.AsyncClient(base_url=lab["gateway"].url, timeout=30, trust_env=False) as client:
        answers = [await client.get(path) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    return min(answer.elapsed.total_seconds() for answer in answers)


async def _traces(lab, jaeger):
    """The traces of the quickest request to each suspect, through the gateway."""

    async def someone_is_slow():
        return max([await _seconds(lab, path) for path in PATHS]) > 0.5

    assert await eventually(someone_is_slow, timeout_seconds=60)  # the gateway has heard of the new addresses
    since = datetime.now(UTC)
    for path in PATHS:
        await _seconds(lab, path)

    async def all_whole():
        found = [t for t in await jaeger.traces("gateway") if t.whole and t.root.start >= since]
        found = [t for t in found if len(t.services) == 2]
        return found if len(found) == 3 * len(PATHS) else []

    traces = sorted(
        await eventually(all_whole, timeout_seconds=60), key=lambda t: t.duration_ms, reverse=True
    )
    return {trace.services[1]: trace for trace in traces}.values()


@pytest.mark.parametrize("guilty", ["user-service", "product-service"])
async def test_the_traces_give_away_who_is_slow_and_a_wrong_accusation_nothing(lab, guilty, capsys):
    offered = []

    def choose(suspects):
        offered.extend(suspects)
        return guilty

    incident = await Incident.begin(lab, SUSPECTS, seconds=0.3, choose=choose)
    try:
        assert tuple(offered) == incident.suspects == ("product-service", "user-service")
        traces = await _traces(lab, Jaeger(lab.environment["JAEGER_QUERY_URL"]))
        accused = self_times(traces)[0].service
        other = next(name for name in incident.suspects if name != accused)
        assert not incident.accuse(other)
        assert "late" not in capsys.readouterr().out
        assert incident.accuse(accused)
        assert accused == guilty
        with pytest.raises(ValueError, match="no suspect"):
            incident.accuse("gateway")
    finally:
        await incident.end()


async def test_when_it_ends_everybody_is_called_directly_again(lab):
    real = lab["users"].port("http")

    async def is_called_directly():
        found = await healthy_instances(lab.environment["CONSUL_HTTP_ADDR"], "user-service")
        return {each.port for each in found} == {real}

    incident = await Incident.begin(lab, SUSPECTS)
    assert not await is_called_directly()
    await incident.end()
    await incident.end()
    assert await eventually(is_called_directly)  # it may just have missed a health check


async def test_a_repair_of_the_guilty_one_helps_and_a_relapse_undoes_it(lab):
    incident = await Incident.begin(lab, SUSPECTS, seconds=0.3, choose=lambda _: "user-service")

    async def is_slow():
        return await _seconds(lab, "/users/user123") > 0.5

    try:
        assert await eventually(is_slow)  # the gateway has heard of the new address
        await incident.repair("product-service")
        assert await is_slow()
        await incident.repair("user-service")
        assert not await is_slow()
        assert incident.repaired == ["product-service", "user-service"]
        await incident.relapse()
        assert await is_slow()
        assert incident.repaired == []
        with pytest.raises(ValueError, match="no suspect"):
            await incident.repair("gateway")
    finally:
        await incident.end()


async def test_one_suspect_is_no_riddle(lab):
    with pytest.raises(LabError, match="two"):
        await Incident.begin(lab, {"users": "http"})
