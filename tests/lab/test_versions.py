"""Services with a command line, and versions of a service from folders of their own, side by side."""

from pathlib import Path

import httpx2
import pytest

from workbook_lib.lab import Lab, LabError
from workbook_lib.lab.command import CommandFailed

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "data" / "shop" / "shop"


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


@pytest.mark.parametrize("services", [0, 2], ids=["executed", "forked"])
async def test_a_module_is_run_to_its_end_in_a_folder(tmp_path, services):
    async with Lab("module-test", root=ROOT if services else tmp_path) as lab:
        await lab.open()
        if services:
            await lab.start("welcome", instances=services)
        words = ["--explain", "--config", "config/shop.yaml"]
        env = {"DB_URL": "sqlite:///there.db", "DB_USER": "it", "DB_PASSWORD": "a secret"}
        told = await lab.run_module("shop", *words, folder=SHOP.parent, env=env)
        assert told.command == "python -m shop --explain --config config/shop.yaml"
        assert told.text.startswith("setting ")
        assert "sqlite:///there.db" in told.text
        assert "a secret" not in told.text
        refused = await lab.run_module("shop", *words, folder=SHOP.parent, expect=2)
        assert refused.text.startswith("shop: database_")
        with pytest.raises(CommandFailed, match=r"(?s)^\$ python -m shop .*exit code 2, expected 0"):
            await lab.run_module("shop", *words, folder=SHOP.parent)
        with pytest.raises(CommandFailed, match=r"^\$ python -m http.server .*\nnot done after 0.3 s"):
            await lab.run_module("http.server", "--bind", "127.0.0.1", "0", timeout_seconds=0.3)


async def test_whoever_needs_consul_can_do_with_one_that_has_acls(tmp_path):
    async with Lab("stand-in-test", root=tmp_path) as lab:
        await lab.start("consul-acl")
        token = {"CONSUL_HTTP_TOKEN": lab.environment["CONSUL_HTTP_TOKEN"]}
        await lab.start("gateway", env=token)
        assert [handle.name for handle in lab.handles] == ["consul-acl", "gateway"]
