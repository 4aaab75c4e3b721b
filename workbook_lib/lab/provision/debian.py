"""Programs from Debian's packages, without root: apt fetches and checks them, dpkg-deb unpacks them.

apt works on lists and an archive folder of ours, and reads the system's sources, keys and dpkg status. So
it resolves the very dependencies that this system lacks; nothing is installed, no script of a package runs.
"""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from workbook_lib.lab.provision.catalogue import Program, ways
from workbook_lib.lab.provision.model import ProvisionError, Report
from workbook_lib.lab.provision.progress import StepFailed, run_step

__all__ = ["DEBIAN_PACKAGES", "DebianPackage", "unpack_package"]

_LISTS_TIMEOUT_SECONDS = 180.0
_FETCH_TIMEOUT_SECONDS = 600.0
_UNPACK_TIMEOUT_SECONDS = 120.0
_TOOLS = ("apt-get", "dpkg-deb")

# Hooks of the system's apt work on the system's own folders, so they are taken out.
_CONFIGURATION = """\
Dir::State "{work}/state";
Dir::Cache "{work}/cache";
Debug::NoLocking "true";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "15";
Acquire::https::Timeout "15";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""

# The dynamic linker looks into the unpacked folders, where libraries are that the system lacks.
_LAUNCHER = """\
#!/bin/sh
root=$(dirname "$(readlink -f "$0")")
export LD_LIBRARY_PATH="{libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
exec "$root"/{program} "$@"
"""


@dataclass(frozen=True)
class DebianPackage:
    """A package and, inside it, the program."""

    package: str
    program: str


DEBIAN_PACKAGES = {
    "nginx": DebianPackage("nginx", "usr/sbin/nginx"),
    "rabbitmq": DebianPackage("rabbitmq-server", "usr/lib/rabbitmq/bin/rabbitmq-server"),
}


def unpack_package(entry: Program, folder: Path, report: Report) -> tuple[str, str, str]:
    """Unpack a program's package, and those that it needs and the system lacks, into `folder`.

    Returns the launcher's name, which lies beside the unpacked `usr`, a note on the source, and the
    version that Debian serves. Raises `ProvisionError` where there is no apt, `StepFailed` when the
    package can't be had.
    """
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        raise ProvisionError(
            f"{entry.title} would come from a Debian package, but this machine has no {missing[0]} "
            f"(it isn't Debian, Ubuntu or a relative): {ways(entry)}."
        )
    package = DEBIAN_PACKAGES[entry.name]
    work = folder / "apt"
    archives = _fetch(entry, package, work, report)
    version = ""
    for archive in archives:
        _dpkg(["--extract", str(archive), str(folder)], work, report)
        if archive.name.startswith(f"{package.package}_"):
            version = _dpkg(["--field", str(archive), "Version"], work, report).strip()
    shutil.rmtree(work)
    _write_launcher(folder, entry.name, package.program)
    return entry.name, f"Debian package {package.package} {version}", _upstream(version)


def _fetch(entry: Program, package: DebianPackage, work: Path, report: Report) -> list[Path]:
    """Fetch the package and what it needs; apt checks signatures and sums."""
    (work / "state" / "lists" / "partial").mkdir(parents=True)
    (work / "cache" / "archives" / "partial").mkdir(parents=True)
    configuration = work / "apt.conf"
    configuration.write_text(_CONFIGURATION.format(work=work))
    apt = ["apt-get", "--config-file", str(configuration), "--quiet", "--assume-yes"]
    listed = run_step(
        [*apt, "update"],
        f"{entry.title}: reading Debian's package lists",
        report,
        log=work / "update.log",
        timeout_seconds=_LISTS_TIMEOUT_SECONDS,
    )
    try:
        run_step(
            # --reinstall fetches it even when it is installed, where PATH doesn't lead to.
            [*apt, "--download-only", "--reinstall", "install", package.package],
            f"{entry.title}: fetching Debian's package {package.package}",
            report,
            log=work / "fetch.log",
            timeout_seconds=_FETCH_TIMEOUT_SECONDS,
            activity=_activity,
        )
    except StepFailed as failure:
        # An update that reaches no server succeeds all the same; its warnings are the cause.
        warnings = "\n".join(line for line in listed.splitlines() if line.startswith(("W: ", "E: ")))
        raise StepFailed(str(failure), f"{warnings}\n{failure.tail}".strip()) from failure
    archives = sorted((work / "cache" / "archives").glob("*.deb"))
    if not any(archive.name.startswith(f"{package.package}_") for archive in archives):
        raise StepFailed(f"apt-get fetched no {package.package}", "")
    return archives


def _dpkg(arguments: list[str], work: Path, report: Report) -> str:
    return run_step(
        ["dpkg-deb", *arguments],
        f"unpacking {Path(arguments[1]).name}",
        lambda line: report(line) if ": " in line else None,  # a step is told of once it lasts
        log=work / "dpkg.log",
        timeout_seconds=_UNPACK_TIMEOUT_SECONDS,
    )


def _write_launcher(folder: Path, name: str, program: str) -> None:
    libraries = sorted(path.relative_to(folder) for path in folder.glob("**/lib/*-linux-gnu*"))
    launcher = folder / name
    launcher.write_text(
        _LAUNCHER.format(
            libraries=":".join(f"$root/{path}" for path in libraries) or "$root/usr/lib",
            program=shlex.quote(program),
        )
    )
    launcher.chmod(0o755)


def _activity(printed: str) -> str:
    return f"{printed.count('Get:')} packages"


def _upstream(version: str) -> str:
    """`1:2.42.0+ds-5+deb12u1` without epoch and Debian's revision: `2.42.0`."""
    found = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", version)
    return found.group(1) if found else ""
