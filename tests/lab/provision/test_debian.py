"""Debian packages: fetched by apt into folders of ours, unpacked without root, given up with a reason."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from workbook_lib.lab.provision import chain, debian
from workbook_lib.lab.provision.catalogue import CATALOGUE
from workbook_lib.lab.provision.debian import unpack_package
from workbook_lib.lab.provision.model import ProvisionError

from .conftest import Script

# Looks for its configuration file among the arguments, and for the archive folder in it.
APT_GET = """
echo "$*" >> {calls}
for argument; do case $argument in */apt.conf) configuration=$argument;; esac; done
cache=$(/bin/sed -n 's/^Dir::Cache "\\(.*\\)";$/\\1/p' "$configuration")
case "$*" in
  *update) {update};;
  *) {install};;
esac
"""
FETCHES = 'echo Get:1 nginx; : > "$cache/archives/libexample_1_all.deb"; : > "$cache/archives/nginx_9.deb"'
DPKG_DEB = """
case "$1" in
  --field) echo 1:1.27.4-2~deb13u1;;
  --extract)
    /bin/mkdir -p "$3/usr/sbin" "$3/usr/lib/x86_64-linux-gnu"
    case "$2" in */nginx_9.deb)
      printf '#!/bin/sh\\necho nginx version: nginx/1.27.4 with $LD_LIBRARY_PATH\\n' > "$3/usr/sbin/nginx"
      /bin/chmod +x "$3/usr/sbin/nginx";;
    esac;;
esac
"""


@pytest.fixture
def apt(cache: Path, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an apt-get that fetches two archives; returns the file with its command lines."""
    calls = tmp_path / "calls"
    script("apt-get", APT_GET.format(calls=calls, update="true", install=FETCHES))
    script("dpkg-deb", DPKG_DEB)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/bin:/bin")  # the launcher needs readlink
    monkeypatch.setattr(debian.shutil, "which", lambda name: str(tmp_path / "bin" / name))
    return calls


def test_the_package_and_its_missing_dependencies_are_unpacked_and_the_program_runs(
    apt: Path, lines: list[str]
) -> None:
    made = chain.provision("nginx", report=lines.append)
    assert (made.how, made.version) == ("registry", "1.27.4")
    assert made.detail == "Debian package nginx 1:1.27.4-2~deb13u1"
    assert made.path is not None
    printed = subprocess.run([made.path, "-v"], capture_output=True, text=True, timeout=10, check=True).stdout
    assert printed == f"nginx version: nginx/1.27.4 with {made.path.parent}/usr/lib/x86_64-linux-gnu\n"
    assert lines[:2] == [
        "nginx: reading Debian's package lists",
        "nginx: fetching Debian's package nginx",
    ]
    assert sorted(path.name for path in made.path.parent.iterdir()) == ["nginx", "usr", "whole.json"]


def test_it_is_found_in_the_cache_afterwards_with_the_version_that_debian_served(
    apt: Path, lines: list[str]
) -> None:
    made = chain.provision("nginx", report=lines.append)
    (apt.parent / "bin" / "apt-get").unlink()
    found = chain.provision("nginx", report=lines.append)
    assert (found.how, found.version, found.path) == ("cache", "1.27.4", made.path)


def test_apt_works_on_folders_of_ours_and_installs_nothing(apt: Path, cache: Path, lines: list[str]) -> None:
    chain.provision("nginx", report=lines.append)
    update, install = apt.read_text().splitlines()
    assert update.split()[-1] == "update"
    assert "--download-only" in install.split()
    configuration = Path(update.split()[1])
    assert configuration.is_relative_to(cache)
    said = debian._CONFIGURATION.format(work=configuration.parent)
    for setting in ("Dir::State", "Dir::Cache"):
        assert f'{setting} "{configuration.parent}/' in said


def test_without_apt_a_sentence_says_so_and_what_to_do(cache: Path, lines: list[str]) -> None:
    with pytest.raises(
        ProvisionError,
        match=r"nginx would come from a Debian package, but this machine has no apt-get .*set NGINX_URL to",
    ):
        chain.provision("nginx", report=lines.append)
    assert list(cache.glob(".building*")) == []


def test_without_a_mirror_the_network_is_named_as_the_cause(
    apt: Path, script: Script, lines: list[str]
) -> None:
    """An update that reaches no mirror exits with 0; the package is then merely unknown."""
    warn = "echo 'W: Failed to fetch http://mirror/InRelease  Temporary failure resolving mirror'"
    fail = "echo 'E: Unable to locate package nginx'; exit 100"
    script("apt-get", APT_GET.format(calls=apt, update=warn, install=fail))
    with pytest.raises(ProvisionError, match="nginx can't be fetched because its package registry can't be"):
        chain.provision("nginx", report=lines.append)
    assert chain.find("nginx") is None


def test_a_package_that_the_sources_lack_is_named(apt: Path, script: Script, lines: list[str]) -> None:
    fail = "echo 'E: Unable to locate package nginx'; exit 100"
    script("apt-get", APT_GET.format(calls=apt, update="true", install=fail))
    with pytest.raises(ProvisionError, match=r"There is no package of nginx 1\.22\.1 for this machine"):
        chain.provision("nginx", report=lines.append)


def test_an_update_that_hangs_is_given_up(
    apt: Path, script: Script, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "_LISTS_TIMEOUT_SECONDS", 0.3)
    script("apt-get", APT_GET.format(calls=apt, update="exec /bin/sleep 60", install="true"))
    with pytest.raises(ProvisionError, match=r"nginx can't be provisioned \(it took longer than 0 s\)"):
        chain.provision("nginx", report=lines.append)


def test_an_apt_that_fetches_nothing_is_noticed(apt: Path, script: Script, lines: list[str]) -> None:
    script("apt-get", APT_GET.format(calls=apt, update="true", install="true"))
    with pytest.raises(ProvisionError, match="apt-get fetched no nginx"):
        chain.provision("nginx", report=lines.append)


@pytest.mark.parametrize(
    ("debians", "upstream"),
    [("2.42.0+ds-5+deb12u1", "2.42.0"), ("1:25.2.3+dfsg-1", "25.2.3"), ("3.10.8-1.1+deb12u1", "3.10.8")],
)
def test_a_version_is_told_without_epoch_and_revision(debians: str, upstream: str) -> None:
    assert debian._upstream(debians) == upstream


@pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "dpkg-deb"))), reason="needs apt-get and dpkg-deb (Debian, Ubuntu)"
)
def test_a_real_package_is_fetched_from_debian_and_runs(
    cache: Path, tmp_path: Path, system_path: str, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The smallest of the packages, into an empty cache and with the system's own apt."""
    monkeypatch.setenv("PATH", system_path)
    folder = tmp_path / "nginx"
    folder.mkdir()
    name, source, version = unpack_package(CATALOGUE["nginx"], folder, lines.append)
    said = subprocess.run([folder / name, "-v"], capture_output=True, text=True, timeout=10, check=True)
    assert f"nginx/{version}" in said.stderr
    assert source.startswith(f"Debian package nginx {version}")
    assert not (folder / "apt").exists()
    assert (folder / "etc" / "nginx" / "mime.types").exists()
