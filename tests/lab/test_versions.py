"""Services with a command line, and versions of a service from folders of their own, side by side."""

from pathlib import Path

import httpx2
import pytest

from workbook_lib.lab import Lab, LabError

pytestmark = pytest.mark.server

SHOP = Path(__file__).parents[2] / "data" / "shop" / "shop"


async def _text(url: str) -> str:
    async with httpx2.AsyncClient(trust_env=False) as client:
        return (await client.get(url)).text


async def test_a_service_is_given_its_command_line(tmp_path):
    async with Lab("arguments-test", root=tmp_path) as lab:
        await lab.start("welcome", arguments=["--greeting", "Hello from the command line"])
        assert (await _text(lab["welcome"].url)).startswith("Hello from the command line\n")


async def test_two_versions_run_side_by_side_each_told_only_what_it_is_given(tmp_path):
    async with Lab("versions-test", root=tmp_path) as lab:
        for name in ("blue", "green"):
            env = {"SHOP_DATABASE_URL": f"sqlite:///{tmp_path}/{name}.db", "SHOP_REVISION": name}
            await lab.launch(f"shop-{name}", SHOP, service="shop", env=env)
        blue, green = lab["shop-blue"], lab["shop-green"]
        assert blue.port() != green.port()
        assert '"version":"1.0.0+blue"' in await _text(blue.url)
        assert '"version":"1.0.0+green"' in await _text(green.url)
        again = await lab.launch("shop-blue", SHOP, service="shop")
        assert again.pid == blue.pid, "what runs is left alone"


async def test_a_version_that_does_not_start_says_why(tmp_path):
    async with Lab("versions-test", root=tmp_path) as lab:
        with pytest.raises(LabError, match=r"(?s)shop-bad: .*exited with code 2.*port .*valid integer"):
            await lab.launch("shop-bad", SHOP, service="shop", arguments=["--port", "eighty"])


async def test_whoever_needs_consul_can_do_with_one_that_has_acls(tmp_path):
    async with Lab("stand-in-test", root=tmp_path) as lab:
        await lab.start("consul-acl")
        token = {"CONSUL_HTTP_TOKEN": lab.environment["CONSUL_HTTP_TOKEN"]}
        await lab.start("gateway", env=token)
        assert [handle.name for handle in lab.handles] == ["consul-acl", "gateway"]
