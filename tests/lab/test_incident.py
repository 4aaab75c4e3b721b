"""Who is slow isn't told, and can be read from traces."""

import asyncio

import httpx2
import pytest

from workbook_lib.lab import Lab, LabError
from workbook_lib.lab.evidence import Jaeger, eventually, healthy_instances, self_times
from workbook_lib.lab.incident import Incident

pytestmark = pytest.mark.server

SUSPECTS = {"users": "http", "products": "http"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab("incident-test", root=tmp_path_factory.mktemp("incident"))
    asyncio.run(lab.start("consul", "jaeger", "users", "products", "gateway"))
    yield lab
    asyncio.run(lab.stop())


async def _traces(lab, jaeger):
    """The traces of a request to each suspect, through the gateway."""
    async with httpx2.AsyncClient(base_url=lab["gateway"].url, timeout=10, trust_env=False) as client:

        async def answered():
            answers = [await client.get(path) for path in ("/users/user123", "/api/v2/products")]
            return [answer.status_code for answer in answers] == [200, 200]

        assert await eventually(answered, timeout_seconds=60)
        known = {trace.id for trace in await jaeger.traces("gateway")}
        assert await answered()

    async def both():
        found = [t for t in await jaeger.traces("gateway") if t.id not in known and len(t.services) > 1]
        return found if len({service for t in found for service in t.services}) == 3 else []

    return await eventually(both, timeout_seconds=60)


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

    async def ports():
        return {
            each.port for each in await healthy_instances(lab.environment["CONSUL_HTTP_ADDR"], "user-service")
        }

    incident = await Incident.begin(lab, SUSPECTS)
    assert await ports() != {real}
    await incident.end()
    await incident.end()
    assert await ports() == {real}


async def test_a_repair_of_the_guilty_one_helps_and_a_relapse_undoes_it(lab):
    incident = await Incident.begin(lab, SUSPECTS, seconds=0.3, choose=lambda _: "user-service")

    async def seconds():
        async with httpx2.AsyncClient(base_url=lab["gateway"].url, timeout=10, trust_env=False) as client:
            answers = [await client.get("/users/user123") for _ in range(3)]
        assert {answer.status_code for answer in answers} == {200}
        return min(answer.elapsed.total_seconds() for answer in answers)

    async def is_slow():
        return await seconds() > 0.5

    try:
        assert await eventually(is_slow)  # the gateway has heard of the new address
        await incident.repair("product-service")
        assert await is_slow()
        await incident.repair("user-service")
        assert await seconds() < 0.5
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
