"""Programs that come as Go modules: a committed go.mod with a `tool` line, built by the `go` command."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbook_lib.lab.provision.cache import cache_dir
from workbook_lib.lab.provision.catalogue import CATALOGUE
from workbook_lib.lab.provision.model import Report
from workbook_lib.lab.provision.progress import run_step

__all__ = ["GO_TOOLS", "GoTool", "build_tool"]

_MODULES = Path(__file__).parent / "go"
_TIMEOUT_SECONDS = 3600.0


@dataclass(frozen=True)
class GoTool:
    """A main package, the linker's flags, and what a first build takes on two cores, with Go's own caches.

    `tags` are build tags. `beside` are more programs of the same module, by name, which come with it.
    """

    package: str
    linker_flags: str
    minutes: int
    disk_mb: int
    note: str = ""
    tags: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)
    module: str = ""
    """The folder of its go.mod, unless that has the tool's name."""


_KUBERNETES_FLAGS = (
    "-s -w -X k8s.io/component-base/version.gitVersion=v"
    + CATALOGUE["kubernetes"].version
    + " -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34"
    + " -X k8s.io/component-base/version.gitTreeState=archive"
)

GO_TOOLS = {
    "consul": GoTool("github.com/hashicorp/consul", "-s -w", 7, 3500),
    "jaeger": GoTool(
        "github.com/jaegertracing/jaeger/cmd/jaeger",
        "-s -w -X github.com/jaegertracing/jaeger/internal/version.latestVersion=v"
        + CATALOGUE["jaeger"].version,
        5,
        3000,
        note="without Jaeger's web page, which its Go module doesn't carry",
    ),
    "victorialogs": GoTool(
        "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs",
        "-s -w -X github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version=victoria-logs-v"
        + CATALOGUE["victorialogs"].version,
        2,
        700,
    ),
    # Not Debian's packages: its Prometheus is built without Consul's discovery, and its Alertmanager looks
    # for templates in the system's /usr/share.
    "prometheus": GoTool(
        "github.com/prometheus/prometheus/cmd/prometheus",
        "-s -w -X github.com/prometheus/common/version.Version=" + CATALOGUE["prometheus"].version,
        5,
        2500,
        note="without its web page, which its Go module doesn't carry, and of the ways to find targets only "
        "files, HTTP and Consul",
        tags="remove_all_sd,enable_consul_sd",
    ),
    "alertmanager": GoTool(
        "github.com/prometheus/alertmanager/cmd/alertmanager",
        "-s -w -X github.com/prometheus/common/version.Version=" + CATALOGUE["alertmanager"].version,
        3,
        1200,
    ),
    # Its API server, with what a control plane has besides: kubectl for people, and etcd, of the version
    # that this Kubernetes is tested with.
    "kubernetes": GoTool(
        "k8s.io/kubernetes/cmd/kube-apiserver",
        _KUBERNETES_FLAGS,
        9,
        3500,
        beside={
            "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
            "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
            "kubectl": "k8s.io/kubernetes/cmd/kubectl",
            "etcd": "go.etcd.io/etcd/server/v3",
        },
    ),
    "kubectl": GoTool("k8s.io/kubernetes/cmd/kubectl", _KUBERNETES_FLAGS, 2, 1500, module="kubernetes"),
    "kwok": GoTool(
        "sigs.k8s.io/kwok/cmd/kwok",
        "-s -w -X sigs.k8s.io/kwok/pkg/consts.Version=v" + CATALOGUE["kwok"].version,
        3,
        1500,
    ),
}


def build_tool(name: str, go: Path, target: Path, report: Report) -> None:
    """Build `name` from its committed go.mod and go.sum into the file `target`, and others beside it.

    The `go` command checks every module against go.sum. Raises `StepFailed`.
    """
    tool = GO_TOOLS[name]
    source = target.with_name("module")
    shutil.copytree(_MODULES / (tool.module or name), source)
    # No debugging information: -s -w leave it out at the end, and compiling without it is 12 % less work.
    command = [str(go), "build", "-v", "-mod=readonly", "-trimpath", "-gcflags=all=-dwarf=false"]
    command += ["-ldflags", tool.linker_flags, "-tags", tool.tags]
    of = f" of {len(tool.beside) + 1}" if tool.beside else ""
    for number, (program, package) in enumerate({target.name: tool.package, **tool.beside}.items(), start=1):
        once = f"once, program {number}{of}: {program}" if of else "once"
        run_step(
            [*command, "-o", str(target.with_name(program)), package],
            f"{CATALOGUE[name].title}: building it from its Go module (about {tool.minutes} minutes, {once})",
            report,
            log=target.with_name("build.log"),
            timeout_seconds=_TIMEOUT_SECONDS,
            env=_environment(name, go),
            cwd=source,
            activity=_activity,
        )
    shutil.rmtree(source)
    shutil.rmtree(_caches(name), ignore_errors=True)


def _environment(name: str, go: Path) -> dict[str, str]:
    """The user's Go settings, less what would change the build or fetch another toolchain.

    CGO is off as in the publishers' own builds: no C compiler is needed, and the program is static.
    A Go of ours keeps its gigabytes of working files apart, to be removed when the program is built.
    """
    environment = {
        **os.environ,
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    for variable in ("GOOS", "GOARCH", "GOEXPERIMENT"):
        environment.pop(variable, None)
    if go.is_relative_to(cache_dir()):
        caches = _caches(name)
        environment |= {
            "GOCACHE": str(caches / "build"),
            "GOMODCACHE": str(caches / "modules"),
            "GOFLAGS": "-mod=readonly -modcacherw",
        }
    return environment


def _caches(name: str) -> Path:
    return cache_dir() / f"go-work-{name}"


def _activity(printed: str) -> str:
    modules = printed.count("go: downloading ")
    packages = len(re.findall(r"^(?!go: )\S+$", printed, re.MULTILINE))
    return f"{packages} packages compiled" if packages else f"{modules} modules fetched"
