"""Commits on their way: real tests, real processes, a real gateway and a real Consul with ACLs."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from workbook_lib.kit.consul import Consul
from workbook_lib.kit.deployments import live_key
from workbook_lib.lab import Lab
from workbook_lib.lab.consul_acl import pipeline_token, separate_environments
from workbook_lib.lab.evidence import eventually, metric, rows
from workbook_lib.lab.pipeline import Pipeline, PipelineRun, Repository
from workbook_lib.lab.pipeline.stages import StageFailed
from workbook_lib.lab.pipeline.switch import Switch
from workbook_lib.lab.traffic import run_load

pytestmark = [pytest.mark.server, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

TEMPLATE = Path(__file__).parents[3] / "data" / "shop"
SECRET = "pipeline-s3cret"
ENOUGH = 5_200


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lab(tmp_path_factory) -> AsyncIterator[Lab]:
    async with Lab("pipeline-test", root=tmp_path_factory.mktemp("pipeline")) as lab:
        await lab.start("consul-acl")
        yield lab


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def consul(lab) -> AsyncIterator[Consul]:
    """With the management token."""
    token = lab.environment["CONSUL_HTTP_TOKEN"]
    async with Consul(lab["consul-acl"].url, token=token, timeout_seconds=20) as consul:
        yield consul


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def pipeline(lab, consul) -> AsyncIterator[Pipeline]:
    management = lab.environment["CONSUL_HTTP_TOKEN"]
    access = await separate_environments(consul.url, management)
    for environment in access:
        await consul.kv_put(f"config/{environment}/shop/DB_URL", f"sqlite:///{lab.folder}/{environment}.db")
        await consul.kv_put(f"config/{environment}/shop/DB_USER", "shop")
        await consul.kv_put(f"config/{environment}/shop/DB_PASSWORD", SECRET)
    await lab.start("gateway", env=access["prod"].variables)
    token = await pipeline_token(consul.url, management)
    async with Consul(consul.url, token=token, timeout_seconds=20) as own:
        yield Pipeline(
            lab,
            Repository.create(lab.folder / "shop", TEMPLATE),
            service="shop",
            access=access,
            consul=own,
            gateway_url=lab["gateway"].url,
            smoke_paths=("/", "/prices/mouse"),
        )


@pytest.fixture(scope="module")
def repository(lab, pipeline) -> Repository:
    return Repository(lab.folder / "shop")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def released(pipeline, repository) -> str:
    """The first version, in production; its revision."""
    repository.tag("v1.0.0")
    for ref in ("main", "v1.0.0"):
        assert (run := await pipeline.run(ref)).succeeded, run
    return repository.revision("v1.0.0")


async def _answer(lab: Lab, path: str = "/shop/") -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=lab["gateway"].url, trust_env=False) as client:
        return await client.get(path)


def _outcomes(run: PipelineRun) -> dict[str, str]:
    return {stage.stage: stage.outcome for stage in run.stages}


async def test_each_environment_has_a_process_settings_and_a_database_of_its_own(
    lab, pipeline, repository, released
):
    repository.change("feature/greeting", "Greet", {"config/dev.toml": ("developers' shop", "dev shop")})
    assert (await pipeline.run("feature/greeting")).environment == "dev"
    said = {}
    for number, slot in enumerate(("dev", "staging", "prod-blue"), start=1):
        async with httpx2.AsyncClient(base_url=pipeline.running(slot).url, trust_env=False) as client:
            said[slot] = (await client.get("/")).json()
            for _ in range(number):
                assert (await client.post("/orders", json={"sku": "mouse"})).status_code == 201
    assert {slot: about["environment"] for slot, about in said.items()} == {
        "dev": "dev",
        "staging": "staging",
        "prod-blue": "prod",
    }
    assert said["dev"]["welcome"] == "Welcome to the dev shop"
    counted = [
        (await rows(lab.folder / f"{name}.db", "SELECT count(*) AS n FROM orders"))[0]["n"]
        for name in ("dev", "staging", "prod")
    ]
    assert counted == [1, 2, 3]


async def test_no_request_fails_across_a_switch_and_a_rollback(lab, pipeline, repository, released):
    repository.change("feature/one", "1.1", {"shop/__init__.py": ("1.0.0", "1.1.0")})
    repository.merge("feature/one")
    new = repository.tag("v1.1.0")
    assert (await pipeline.run("main")).succeeded
    url = f"{lab['gateway'].url}/shop/prices/mouse"
    over, before = asyncio.Event(), await _passed_on(lab)
    sending = partial(run_load, url, concurrency=8, seconds=120, timeout_seconds=30, label_header="x-version")
    load = asyncio.create_task(sending(until=over))
    await _until_passed_on(lab, before + 100)  # its process takes its time to begin
    switched, back = await pipeline.run("v1.1.0"), await pipeline.rollback()
    await _until_passed_on(lab, await _passed_on(lab) + 100)
    assert not load.done(), "the load was over before the rollback"
    over.set()
    rounds = [await load]
    while (left := ENOUGH - sum(each.requests for each in rounds)) > 0:
        rounds.append(await sending(max_requests=left))
    assert (switched.succeeded, back.succeeded) == (True, True), (switched, back)
    assert [each.failures for each in rounds] == [0] * len(rounds), rounds
    order = [sample.label for each in rounds for sample in each.timeline]
    old, new = f"1.0.0+{released}", f"1.1.0+{new}"
    assert (order[0], order[-1], set(order)) == (old, old, {old, new})
    assert pipeline.running("prod-green").alive, "it stays for the next decision"


async def _passed_on(lab: Lab) -> float:
    """How many requests of the shop the gateway has answered."""
    url = f"{lab['gateway'].url}/metrics"
    return await metric(url, "http_requests_total", route="/shop/{path}")


async def _until_passed_on(lab: Lab, count: float) -> None:
    async def so_many() -> bool:
        return await _passed_on(lab) >= count

    await eventually(so_many, 100)


async def test_a_commit_whose_tests_fail_is_never_deployed(lab, pipeline, repository, released):
    running = pipeline.running("staging").pid
    repository.change(
        "feature/discount",
        "A discount that isn't one",
        {"shop/prices.py": ("[sku] * quantity", "[sku] * quantity + quantity // 3")},
    )
    run = await pipeline.run("feature/discount")
    assert _outcomes(run) == {"test": "failed", "deploy": "skipped", "smoke": "skipped"}
    assert "FAILED tests/test_shop.py" in run.failed.detail
    assert pipeline.running("staging").pid == running


async def test_a_release_that_has_not_passed_staging_is_refused(pipeline, repository, released):
    repository.git(
        "tag", "v8.0.0", repository.change("feature/rush", "8", {"pyproject.toml": ("1.0.0", "8")})
    )
    run = await pipeline.run("v8.0.0")
    assert (run.failed.stage, _outcomes(run)["deploy"]) == ("promote", "skipped")


async def test_a_release_that_fails_its_smoke_test_gets_no_traffic(lab, pipeline, repository, released):
    """Its own tests pass, and staging too: what breaks it is only in production."""
    before = (await _answer(lab)).headers["x-version"]
    repository.change(
        "feature/broken",
        "Broken in production only",
        {
            "shop/app.py": (
                "        if sku not in UNIT_PRICE_CENTS:\n            raise NotFound",
                '        if settings.environment == "prod":\n            raise RuntimeError',
            )
        },
    )
    repository.merge("feature/broken")
    repository.tag("v1.2.0")
    assert (await pipeline.run("main")).succeeded
    load = asyncio.create_task(
        run_load(
            f"{lab['gateway'].url}/shop/",
            concurrency=2,
            seconds=100,
            max_requests=400,
            timeout_seconds=30,
            label_header="x-version",
        )
    )
    run = await pipeline.run("v1.2.0")
    result = await load
    assert _outcomes(run) | {"test": "", "promote": ""} == {
        "test": "",
        "promote": "",
        "deploy": "passed",
        "smoke": "failed",
        "switch": "skipped",
        "drain": "skipped",
    }
    assert "GET /prices/mouse → 500" in run.failed.detail
    assert (result.failures, {sample.label for sample in result.timeline}) == (0, {before})
    assert (await _answer(lab, "/deployments/shop")).json()["live"] == "blue"
    with pytest.raises(KeyError):
        pipeline.running("prod-green")


async def test_a_release_that_lacks_a_setting_in_production_does_not_start_and_says_which(
    lab, consul, pipeline, repository, released
):
    for environment in ("dev", "staging"):
        await consul.kv_put(f"config/{environment}/shop/BIND_ADDRESS", "127.0.0.1")
    repository.git("switch", "--quiet", "main")
    repository.git("reset", "--quiet", "--hard", "v1.1.0")
    edit = ("database_url:", "host: ${BIND_ADDRESS}\ndatabase_url:")
    repository.change("feature/address", "Listen where it is told", {"config/shop.yaml": edit})
    repository.merge("feature/address")
    repository.tag("v1.3.0")
    assert (await pipeline.run("main")).succeeded
    run = await pipeline.run("v1.3.0")
    assert run.failed.stage == "deploy"
    assert (
        "host: the environment has no variable BIND_ADDRESS and config/prod/ in Consul no entry"
        in run.failed.detail
    )


async def test_of_two_switches_at_once_one_is_refused(consul, lab, pipeline, released):
    switch = Switch(consul, "shop", lab["gateway"].url)
    was = await switch.live()

    class Hasty(Consul):
        async def kv_get(self, key, **options):
            entry = await super().kv_get(key, **options)
            await consul.kv_put(key, "green" if was == "blue" else "blue")  # Somebody else is quicker.
            return entry

    token = lab.environment["CONSUL_HTTP_TOKEN"]
    async with Hasty(consul.url, token=token, timeout_seconds=20) as hasty:
        with pytest.raises(StageFailed, match="by somebody else at the same time"):
            await Switch(hasty, "shop", lab["gateway"].url).to("purple")
    assert await switch.live() != "purple"
    await switch.to(was)


async def test_a_switch_to_what_never_comes_is_put_back(consul, lab, pipeline, released, monkeypatch):
    monkeypatch.setattr("workbook_lib.lab.pipeline.switch.SWITCH_SECONDS", 1.0)
    switch = Switch(consul, "shop", lab["gateway"].url)
    was = await switch.live()
    with pytest.raises(StageFailed, match="the gateway never called purple"):
        await switch.to("purple")
    entry = await consul.kv_get(live_key("shop"), consistent=True)
    assert entry.text == was
    assert (await _answer(lab)).status_code == 200


async def test_no_log_of_any_process_holds_a_secret(lab, pipeline, released):
    logs = list(lab.folder.glob("*.log"))
    assert len(logs) >= 4
    secrets = (SECRET, lab.environment["CONSUL_HTTP_TOKEN"])
    assert [log.name for log in logs if any(secret in log.read_text() for secret in secrets)] == []
