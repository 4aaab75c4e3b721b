"""Each service is a command of its own."""

import asyncio
import sys
import tomllib
from pathlib import Path

import httpx2
import pytest

import services
from workbook_lib.lab import Lab

ROOT = Path(services.__file__).parent
SERVICES = sorted(path.parent.name for path in ROOT.glob("*/service.toml"))


async def _help(name):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"services.{name}", "--help", stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.mark.parametrize("name", SERVICES)
async def test_help_names_every_setting_with_its_variable_and_the_default_port(name):
    status, text = await _help(name)
    facts = tomllib.loads((ROOT / name / "service.toml").read_text())
    assert status == 0
    assert f"[{name.upper()}_INSTANCE]" in text
    assert f"port for HTTP; default {facts['port']}" in " ".join(text.split())


@pytest.mark.parametrize("name", SERVICES)
def test_the_entry_point_only_starts_the_service(name):
    assert len((ROOT / name / "__main__.py").read_text().splitlines()) <= 15


async def test_a_stopped_report_service_has_built_every_report_that_it_accepted(tmp_path):
    folder = tmp_path / "reports"
    async with Lab("reports-test", root=tmp_path) as lab:
        env = {"REPORTS_FOLDER": str(folder), "REPORTS_ROWS": "5000", "REPORTS_STOP_GRACE_SECONDS": "100"}
        await lab.start("reports", env=env)
        async with httpx2.AsyncClient(base_url=lab["reports"].url, trust_env=False) as client:
            accepted = [(await client.post("/reports")).json()["id"] for _ in range(8)]
        await lab["reports"].stop(grace_seconds=120)  # their 170 writes to the disk may take a while
    assert {path.name for path in folder.iterdir()} == {f"{report_id}.csv" for report_id in accepted}
