"""The systemd unit is one that systemd takes, locks the service up, and waits as long as a drain takes."""

import shutil
from pathlib import Path

import pytest

import services
from workbook_lib.kit.service import serving
from workbook_lib.kit.settings import ServiceSettings
from workbook_lib.lab import LabError, systemd
from workbook_lib.lab.deployment import deploy_file
from workbook_lib.lab.systemd import check_unit, read_unit

UNIT = deploy_file("systemd/workbook-service@.service")
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (a Linux with systemd)"
)


@needs_systemd
@pytest.mark.parametrize("service", ["users", "audit_log"])
async def test_systemd_has_nothing_to_say_about_the_unit(service):
    assert (await check_unit(service)).findings == ()


@needs_systemd
async def test_the_service_is_locked_up():
    """2 and less is what systemd calls OK; a unit without any of these settings gets 9.6."""
    checked = await check_unit("users")
    assert checked.exposure is not None, checked.skipped
    assert checked.exposure <= 2.0


@needs_systemd
@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        ("KillMode=mixed", "KillMode=gently", "gently"),
        ("ProtectSystem=strict", "ProtectSistem=strict", "ProtectSistem"),
        ("-m services.%i", "-m services.%i\nExecStart=/nowhere/program", "ExecStart|/nowhere/program"),
    ],
)
async def test_a_mistake_in_a_unit_is_found(tmp_path, right, wrong, finding):
    unit = tmp_path / UNIT.name
    assert right in UNIT.read_text()
    unit.write_text(UNIT.read_text().replace(right, wrong))
    findings = "\n".join((await check_unit("users", unit)).findings)
    assert any(word in findings for word in finding.split("|")), findings


async def test_without_systemd_the_unit_is_read_all_the_same_and_the_skip_is_told(monkeypatch):
    monkeypatch.setattr(systemd.shutil, "which", lambda _: None)
    checked = await check_unit("users")
    assert checked.skipped == "there is no systemd-analyze on this machine"
    assert checked.exposure is None
    assert checked.settings["Service"]["ProtectSystem"] == ("strict",)


def test_it_runs_as_a_user_of_its_own_with_nothing_to_gain():
    service = read_unit(UNIT.read_text())["Service"]
    assert service["DynamicUser"] == ("yes",)
    assert service["NoNewPrivileges"] == ("yes",)
    assert service["CapabilityBoundingSet"] == ("",)
    assert "User" not in service


def test_it_is_given_the_time_that_a_drain_may_take():
    service = read_unit(UNIT.read_text())["Service"]
    grace = ServiceSettings.model_fields["stop_grace_seconds"].default
    drain = serving._CONSUL_SECONDS + grace + 2 * (grace + 1) + serving._FLUSH_SECONDS
    assert drain < float(service["TimeoutStopSec"][0]) <= 2 * drain
    assert service["KillSignal"] == ("SIGTERM",)


def test_what_it_starts_is_every_services_own_command():
    (command,) = read_unit(UNIT.read_text())["Service"]["ExecStart"]
    folders = [path.parent for path in Path(services.__file__).parent.glob("*/service.toml")]
    assert command.endswith(" -m services.%i")
    assert [folder.name for folder in folders if not (folder / "__main__.py").exists()] == []


def test_settings_given_twice_and_lines_that_go_on_are_read():
    text = "[Service]\n# no\nEnvironment=A=1\nEnvironment=B=2 \\\n  C=3\n"
    assert read_unit(text)["Service"]["Environment"] == ("A=1", "B=2    C=3")


@pytest.mark.parametrize("text", ["Type=exec\n", "[Service]\nno setting\n", "[Service\nType=exec\n"])
def test_what_is_no_unit_is_told_with_its_line(text):
    with pytest.raises(LabError, match=r"line \d is neither a section nor a setting"):
        read_unit(text)
