"""Which Java Kafka runs on."""

from pathlib import Path

import pytest

from workbook_lib.lab.provision.java import Java, java_of_user, java_stamp, java_version
from workbook_lib.lab.provision.model import ProvisionError

from .conftest import Script


def java_home(folder: Path, version: str) -> Path:
    """A Java that is only its `release` file, its class image and a program that answers nothing."""
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").mkdir()
    (folder / "lib" / "modules").write_text("classes")
    (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    program = folder / "bin" / "java"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    return folder


def test_there_may_be_none(cache: Path) -> None:
    assert java_of_user() is None


def test_the_version_is_read_from_the_release_file_without_starting_java(cache: Path, tmp_path: Path) -> None:
    home = java_home(tmp_path / "jdk", "25.0.2")
    assert java_version(home / "bin" / "java") == "25.0.2"


def test_without_a_release_file_java_is_asked(cache: Path, script: Script) -> None:
    java = script("java", "echo 'openjdk version \"21.0.4\" 2024-07-16' >&2")
    assert java_of_user() == Java(java, "21.0.4")


def test_the_newest_of_java_home_and_path_is_taken(
    cache: Path, tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = script("java", "echo 'openjdk version \"21.0.4\"'")
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "old", "17.0.1")))
    assert java_of_user() == Java(on_path, "21.0.4")
    newer = java_home(tmp_path / "new", "25.0.2")
    monkeypatch.setenv("JAVA_HOME", str(newer))
    assert java_of_user() == Java(newer / "bin" / "java", "25.0.2")


def test_a_java_below_17_or_a_broken_one_is_no_java(
    cache: Path, tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script("java", "exit 1")
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "old", "11.0.2")))
    assert java_of_user() is None


def test_the_named_java_is_taken_alone(
    cache: Path, tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script("java", "echo 'openjdk version \"25.0.2\"'")
    named = tmp_path / "mine"
    named.write_text("#!/bin/sh\necho 'openjdk version \"17.0.9\"'\n")
    named.chmod(0o755)
    monkeypatch.setenv("WORKBOOK_JAVA", str(named))
    assert java_of_user() == Java(named, "17.0.9")
    named.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(ProvisionError, match="WORKBOOK_JAVA"):
        java_of_user()


@pytest.mark.parametrize(
    ("version", "trained"), [("24.0.1", False), ("25", True), ("25.0.2", True), ("26-ea", True)]
)
def test_ahead_of_time_caches_are_made_in_one_run_from_25_on(version: str, trained: bool) -> None:
    assert Java(Path("java"), version).ahead_of_time is trained


def test_an_upgraded_java_has_another_stamp(tmp_path: Path) -> None:
    home = java_home(tmp_path / "jdk", "25.0.2")
    before = java_stamp(home / "bin" / "java")
    (home / "lib" / "modules").write_text("classes of the upgrade")
    assert java_stamp(home / "bin" / "java") != before
