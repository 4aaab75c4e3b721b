"""Each scan finds a fault that was planted for it, and nothing in this project."""

import json
import secrets
import string
import subprocess

import pytest

from tests.structure.rules import ROOT
from workbook_lib.lab import audit

TARGET = ROOT / "data" / "audit"
ADVISORIES = ROOT / "data" / "advisories.json"


def a_token() -> str:
    """Looks like a GitHub token, is none, and is another each time, so that no file ever holds one."""
    return "ghp_" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(36))


@pytest.fixture
def git(tmp_path):
    """Run git in a repository of the test's own."""

    def run(*arguments):
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    run("init", "--quiet")
    return run


def test_the_planted_sql_injection_is_found_with_its_line():
    findings = audit.scan_code(TARGET)
    assert [finding.rule for finding in findings] == ["B608"]
    name, line = findings[0].place.split(":")
    assert "SELECT" in (TARGET / name).read_text().splitlines()[int(line) - 1]


def test_the_services_and_the_library_have_no_weakness_that_bandit_knows():
    assert audit.scan_code(ROOT / "services") == []
    assert audit.scan_code(ROOT / "workbook_lib") == []


def test_code_that_cannot_be_read_is_no_clean_bill(tmp_path):
    (tmp_path / "broken.py").write_text("def (:\n")
    with pytest.raises(audit.AuditError, match=r"broken\.py"):
        audit.scan_code(tmp_path)


def test_a_planted_secret_is_found_and_never_quoted(tmp_path):
    token = a_token()
    (tmp_path / "settings.py").write_text(f'# local\nTOKEN = "{token}"\n')
    findings = audit.scan_secrets(tmp_path)
    assert [(finding.rule, finding.place) for finding in findings] == [
        ("betterleaks.github-pat", "settings.py:2")
    ]
    assert token not in repr(findings)


def test_a_secret_that_was_removed_is_still_in_the_history(tmp_path, git):
    (tmp_path / "settings.py").write_text(f'TOKEN = "{a_token()}"\n')
    git("add", ".")
    git("commit", "--quiet", "-m", "A token, by mistake")
    git("rm", "--quiet", "settings.py")
    git("commit", "--quiet", "-m", "Without the token")
    assert not (tmp_path / "settings.py").exists()
    assert audit.scan_secrets(tmp_path, history=False) == []
    (finding,) = audit.scan_secrets(tmp_path)
    assert finding.place.startswith("settings.py:1@")


def test_this_project_holds_no_secret_and_never_did():
    assert audit.scan_secrets(ROOT) == []


def test_a_scan_that_did_not_happen_is_no_clean_bill(tmp_path):
    with pytest.raises(audit.AuditError, match="kingfisher"):
        audit.scan_secrets(tmp_path, exclude=["[", "--no-such-option"])


def test_a_planted_old_version_is_found_by_each_advisory_that_names_it():
    findings = audit.scan_dependencies("python-multipart==0.0.26 \\\n    --hash=sha256:00\n", ADVISORIES)
    assert [finding.rule for finding in findings] == [
        "CVE-2026-42561",
        "CVE-2026-53540",
        "GHSA-vffw-93wf-4j4q",
    ]
    assert {finding.place for finding in findings} == {"python-multipart 0.0.26"}


@pytest.mark.parametrize(
    ("version", "named"),
    [("0.38.6", {"CVE-2024-47874"}), ("0.40.0", {"CVE-2025-62727"}), ("0.49.1", set()), ("1.0", set())],
)
def test_an_advisory_names_the_versions_of_its_range_only(version, named):
    findings = audit.scan_dependencies(f"Starlette=={version}\n", ADVISORIES)
    assert {finding.rule for finding in findings} == named


def test_no_locked_version_is_one_that_an_advisory_names():
    assert audit.scan_dependencies((ROOT / "requirements.lock").read_text(), ADVISORIES) == []


def test_the_advisories_are_unique_and_watch_packages_by_their_normal_names():
    known = json.loads(ADVISORIES.read_text())["advisories"]
    ids = [(each["id"], each["package"]) for each in known]
    assert len(ids) == len(set(ids))
    assert all(each["package"] == each["package"].lower().replace("_", "-") for each in known)


def test_a_lock_that_pins_nothing_is_no_clean_bill():
    with pytest.raises(audit.AuditError, match="pins nothing"):
        audit.scan_dependencies("starlette>=1\n", ADVISORIES)
