"""Environments on one Consul with ACLs: what each one's token may and may not, and how a service is told."""

import asyncio
import contextlib
import stat
from collections.abc import Iterator

import pytest

from workbook_lib.kit.consul import Consul, ConsulDenied, Registration
from workbook_lib.kit.settings import ServiceSettings, SettingsError, load
from workbook_lib.lab import Lab, LabError
from workbook_lib.lab.consul_acl import ENVIRONMENTS, Access, pipeline_token, separate_environments
from workbook_lib.lab.evidence import eventually

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    lab = Lab("acl-test", root=tmp_path_factory.mktemp("acl"))
    asyncio.run(_start(lab))
    yield lab
    asyncio.run(lab.stop())


async def _start(lab: Lab) -> None:
    await lab.start("consul-acl")
    async with Consul(lab["consul-acl"].url, token=_management(lab)) as consul:
        for environment in ENVIRONMENTS:
            await consul.kv_put(f"config/{environment}/log_level", "WARNING")
            await consul.kv_put(f"config/{environment}/welcome/greeting", f"Hello from {environment}!")


def _management(lab: Lab) -> str:
    return lab.environment["CONSUL_HTTP_TOKEN"]


@pytest.fixture(scope="module")
def access(lab) -> dict[str, Access]:
    return asyncio.run(separate_environments(lab["consul-acl"].url, _management(lab)))


@pytest.mark.parametrize("own", ENVIRONMENTS)
async def test_a_token_reads_its_own_environment_and_is_refused_the_others(lab, access, own):
    async with Consul(lab["consul-acl"].url, token=access[own].token) as consul:
        assert [entry.key for entry in await consul.kv_list(f"config/{own}/")] == [
            f"config/{own}/log_level",
            f"config/{own}/welcome/greeting",
        ]
        for other in set(ENVIRONMENTS) - {own}:
            for question in (consul.kv_list(f"config/{other}/"), consul.kv_get(f"config/{other}/log_level")):
                with pytest.raises(ConsulDenied, match=access[own].accessor_id):
                    await question
        with pytest.raises(ConsulDenied):
            await consul.kv_put(f"config/{own}/log_level", "DEBUG")
        with pytest.raises(ConsulDenied):
            await consul.kv_put("deploy/shop/active", "green")


async def test_whoever_has_no_token_may_do_nothing(lab):
    async with Consul(lab["consul-acl"].url) as consul:
        with pytest.raises(ConsulDenied):
            await consul.kv_get("config/dev/log_level")
        with pytest.raises(ConsulDenied):
            await consul.register(Registration(id="a", service="a", address="127.0.0.1", port=1))
        assert await consul.services() == {}


async def test_the_pipelines_token_switches_deployments_and_reads_no_settings(lab):
    token = await pipeline_token(lab["consul-acl"].url, _management(lab))
    async with Consul(lab["consul-acl"].url, token=token) as consul:
        assert await consul.kv_put("deploy/shop/active", "blue")
        with pytest.raises(ConsulDenied):
            await consul.kv_list("config/prod/")


def test_a_dev_process_that_calls_itself_prod_is_told_what_it_may_not(lab, access, monkeypatch):
    monkeypatch.setenv("CONSUL_HTTP_ADDR", lab["consul-acl"].url)
    for name, value in access["dev"].variables.items():
        monkeypatch.setenv(name, value)
    assert load(ServiceSettings).log_level == "WARNING"
    with pytest.raises(SettingsError) as raised:
        load(ServiceSettings, ["--environment", "prod"])
    message = str(raised.value)
    assert "config/prod/ in Consul" in message
    assert f"token with AccessorID '{access['dev'].accessor_id}' lacks permission" in message
    assert access["dev"].token not in message


async def test_a_service_of_each_environment_reads_its_own_and_a_disguised_one_does_not_start(lab, access):
    await lab.start("welcome", env=access["staging"].variables)
    status, greeting = await _get(lab["welcome"].url)
    assert (status, greeting.splitlines()[0]) == (200, "Hello from staging!")
    (instance,) = await _instances(lab, access["staging"].token)
    assert instance.meta["environment"] == "staging"
    await lab["welcome"].stop()
    disguised = access["dev"].variables | {"SERVICE_ENVIRONMENT": "prod"}
    with pytest.raises(LabError, match=r"(?s)exited with code 2.*config/prod/ in Consul.*Permission denied"):
        await lab.start("welcome", env=disguised)


async def test_a_service_gets_no_management_token_unasked(lab):
    with contextlib.suppress(LabError):  # It may answer for a moment before it learns that it can't register.
        await lab.start("welcome")
    log = lab.folder / "welcome.log"
    await eventually(lambda: "couldn't run" in log.read_text())
    assert "Permission denied: anonymous token lacks permission" in log.read_text()


async def test_the_management_token_is_for_this_user_alone_and_in_no_table(lab):
    files = [path for path in lab.folder.rglob("*") if path.is_file()]
    holding = [path for path in files if _management(lab) in path.read_text(errors="replace")]
    assert [path.name for path in holding] == ["acl.json"]
    assert stat.S_IMODE(holding[0].stat().st_mode) == 0o600
    started = await lab.start("consul-acl")
    assert _management(lab) not in repr(started) + started._repr_html_() + repr(lab["consul-acl"])


async def test_a_second_call_replaces_the_tokens(lab, access):
    again = await separate_environments(lab["consul-acl"].url, _management(lab), ["dev"])
    async with Consul(lab["consul-acl"].url, token=access["dev"].token) as consul:
        with pytest.raises(ConsulDenied):
            await consul.kv_list("config/dev/")
    assert again["dev"].token not in repr(again)


async def test_what_consul_refuses_is_an_error_of_the_lab(lab):
    with pytest.raises(LabError, match=r"Consul refuses .*403"):
        await separate_environments(lab["consul-acl"].url, "11111111-2222-3333-4444-555555555555")


async def _get(url: str) -> tuple[int, str]:
    import httpx2

    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(url)
    return answer.status_code, answer.text


async def _instances(lab, token):
    async with Consul(lab["consul-acl"].url, token=token) as consul:
        return (await consul.health("welcome", consistent=True)).value
