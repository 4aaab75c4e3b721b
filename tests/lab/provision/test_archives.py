"""Release archives: taken when the publisher's checksum agrees, passed over when out of reach."""

import errno
import hashlib
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workbook_lib.lab.provision import archives, chain
from workbook_lib.lab.provision.archives import ArchiveUnavailable, unpack_release
from workbook_lib.lab.provision.catalogue import CATALOGUE
from workbook_lib.lab.provision.failures import ChecksumMismatch
from workbook_lib.lab.provision.model import ProvisionError

PROGRAM = b"#!/bin/sh\necho Consul v1.22.7\n"
CONSUL = "/consul/1.22.7/"
ARCHIVE = "consul_1.22.7_linux_amd64.zip"
SUMS = "consul_1.22.7_SHA256SUMS"


class Site:
    """A file server on loopback: `files` by path; `announced` overrides the length that is announced."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.announced: dict[str, int] = {}
        self.silent = threading.Event()
        self.asked: list[str] = []
        self.release = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                if site.silent.is_set():
                    site.release.wait(30)
                    return
                body = site.files.get(self.path)
                if body is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(site.announced.get(self.path, len(body))))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def site(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever)
    thread.start()
    monkeypatch.setenv("WORKBOOK_ARCHIVE_BASE", site.address)
    monkeypatch.setattr(archives, "platform_key", lambda: "linux-x86_64")
    yield site
    site.release.set()
    site.server.shutdown()
    thread.join()
    site.server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where an archive is unpacked."""
    (tmp_path / "unpacked").mkdir()
    return tmp_path / "unpacked"


def consul_zip(content: bytes = PROGRAM, member: str = "consul") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("LICENSE.txt", "terms")
        archive.writestr(member, content)
    return packed.getvalue()


def publish(site: Site, archive: bytes, digest: str | None = None) -> None:
    digest = digest or hashlib.sha256(archive).hexdigest()
    site.files = {
        CONSUL + ARCHIVE: archive,
        CONSUL + SUMS: f"{'0' * 64}  consul_1.22.7_darwin_arm64.zip\n{digest}  {ARCHIVE}\n".encode(),
    }


def test_consul_is_unpacked_when_the_published_sum_agrees(site: Site, folder: Path, lines: list[str]) -> None:
    publish(site, consul_zip())
    name, source = unpack_release(CATALOGUE["consul"], folder, lines.append)
    assert (folder / name).read_bytes() == PROGRAM
    assert os.access(folder / name, os.X_OK)
    assert [path.name for path in folder.iterdir()] == ["consul"]
    assert source == f"release archive of {site.address.removeprefix('http://')}"
    assert lines[0] == f"Consul: fetching {ARCHIVE} from {site.address.removeprefix('http://')}"


def test_victorialogs_is_unpacked_under_its_own_name_with_the_sum_of_its_platforms_file(
    site: Site, folder: Path, lines: list[str]
) -> None:
    """Its checksums file names the archive and the program inside; the archive's line counts."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("victoria-logs-prod")
        member.size = len(PROGRAM)
        archive.addfile(member, io.BytesIO(PROGRAM))
    path = "/VictoriaMetrics/VictoriaLogs/releases/download/v1.52.1/victoria-logs-linux-amd64-v1.52.1"
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    sums = f"{digest}  victoria-logs-linux-amd64-v1.52.1.tar.gz\n{'0' * 64}  victoria-logs-prod\n"
    site.files = {f"{path}.tar.gz": packed.getvalue(), f"{path}_checksums.txt": sums.encode()}
    name, _ = unpack_release(CATALOGUE["victorialogs"], folder, lines.append)
    assert name == "victorialogs"
    assert (folder / name).read_bytes() == PROGRAM


def test_jaeger_is_unpacked_from_its_folder_in_a_tar_archive(
    site: Site, folder: Path, lines: list[str]
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("jaeger-2.13.0-linux-amd64/jaeger")
        member.size = len(PROGRAM)
        archive.addfile(member, io.BytesIO(PROGRAM))
    path = "/jaegertracing/jaeger/releases/download/v1.76.0/"
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    site.files = {
        f"{path}jaeger-2.13.0-linux-amd64.tar.gz": packed.getvalue(),
        f"{path}jaeger-2.13.0.sha256sum.txt": f"{digest} *jaeger-2.13.0-linux-amd64.tar.gz\n".encode(),
    }
    name, _ = unpack_release(CATALOGUE["jaeger"], folder, lines.append)
    assert (folder / name).read_bytes() == PROGRAM


def test_another_checksum_than_the_publishers_stops_everything(
    site: Site, cache: Path, lines: list[str]
) -> None:
    publish(site, consul_zip(), digest="f" * 64)
    with pytest.raises(ChecksumMismatch, match=r"but its publisher's file says ffff.* it isn't used"):
        chain.provision("consul", report=lines.append)
    assert chain.find("consul") is None
    assert list(cache.glob(".building*")) == []
    assert not any("registry" in line for line in lines)


def test_an_archive_without_a_published_checksum_is_not_even_fetched(
    site: Site, folder: Path, lines: list[str]
) -> None:
    site.files = {CONSUL + ARCHIVE: consul_zip(), CONSUL + SUMS: b"0000  another.zip\n"}
    with pytest.raises(ArchiveUnavailable, match="publishes no checksum of consul_1"):
        unpack_release(CATALOGUE["consul"], folder, lines.append)
    assert site.asked == [CONSUL + SUMS]


def test_a_body_cut_short_is_not_taken_for_the_archive(site: Site, folder: Path, lines: list[str]) -> None:
    archive = consul_zip()
    publish(site, archive)
    site.announced[CONSUL + ARCHIVE] = len(archive) + 1000
    with pytest.raises(ArchiveUnavailable):
        unpack_release(CATALOGUE["consul"], folder, lines.append)
    assert not (folder / "consul").exists()


def test_a_release_that_is_not_there_is_unavailable(site: Site, folder: Path, lines: list[str]) -> None:
    with pytest.raises(ArchiveUnavailable, match="404"):
        unpack_release(CATALOGUE["consul"], folder, lines.append)


def test_a_site_that_accepts_and_says_nothing_is_given_up(
    site: Site, folder: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_SILENCE_SECONDS", 0.2)
    site.silent.set()
    with pytest.raises(ArchiveUnavailable):
        unpack_release(CATALOGUE["consul"], folder, lines.append)


def test_a_download_that_trickles_is_given_up_at_the_deadline(
    site: Site, folder: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_TOTAL_SECONDS", -1.0)
    publish(site, consul_zip())
    with pytest.raises(ArchiveUnavailable, match="took longer than"):
        unpack_release(CATALOGUE["consul"], folder, lines.append)


def test_an_archive_that_lacks_the_program_is_unavailable(site: Site, folder: Path, lines: list[str]) -> None:
    publish(site, consul_zip(member="readme"))
    with pytest.raises(ArchiveUnavailable, match="holds no consul"):
        unpack_release(CATALOGUE["consul"], folder, lines.append)


def test_connecting_is_given_five_seconds_at_most() -> None:
    assert archives._CONNECT_SECONDS <= 5


def test_a_full_disk_is_said_in_a_sentence_and_leaves_nothing(
    site: Site, cache: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(site, consul_zip())

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archives, "_write", no_space)
    with pytest.raises(ProvisionError, match=r"The disk that holds .* is full, .* set WORKBOOK_CACHE"):
        chain.provision("consul", report=lines.append)
    assert chain.find("consul") is None
    assert list(cache.glob(".building*")) == []


def test_provisioned_from_its_archive_consul_is_found_in_the_cache_afterwards(
    site: Site, cache: Path, lines: list[str]
) -> None:
    publish(site, consul_zip())
    made = chain.provision("consul", report=lines.append)
    assert (made.how, made.version) == ("archive", "1.22.7")
    found = chain.find("consul")
    assert found is not None
    assert (found.how, found.path) == ("cache", made.path)
    asked = len(site.asked)
    assert chain.provision("consul", report=lines.append) == found
    assert len(site.asked) == asked


def test_a_program_that_doesnt_run_here_is_not_kept(site: Site, cache: Path, lines: list[str]) -> None:
    publish(site, consul_zip(b"\x7fELF for another machine"))
    with pytest.raises(ProvisionError, match="was got but doesn't run on this machine"):
        chain.provision("consul", report=lines.append)
    assert chain.find("consul") is None


def test_without_the_archive_the_registry_is_next_and_one_line_says_so(
    site: Site, cache: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(_: object, folder: Path, __: object) -> str:
        (folder / "consul").write_bytes(PROGRAM)
        (folder / "consul").chmod(0o755)
        return "Go module"

    monkeypatch.setattr(chain, "_go_build", build)
    assert chain.provision("consul", report=lines.append).how == "registry"
    (said,) = [line for line in lines if "registry" in line]
    assert said.startswith("Consul: no release archive (127.0.0.1:")
    assert said.endswith("taking it from a package registry instead")


@pytest.mark.parametrize(
    ("name", "version"),
    [("prometheus", CATALOGUE["prometheus"].version), ("alertmanager", CATALOGUE["alertmanager"].version)],
)
def test_prometheus_and_its_alertmanager_are_unpacked_from_their_releases_on_github(
    site: Site, folder: Path, lines: list[str], name: str, version: str
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo(f"{name}-{version}.linux-amd64/{name}")
        member.size = len(PROGRAM)
        archive.addfile(member, io.BytesIO(PROGRAM))
    path = f"/prometheus/{name}/releases/download/v{version}/"
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    site.files = {
        f"{path}{name}-{version}.linux-amd64.tar.gz": packed.getvalue(),
        f"{path}sha256sums.txt": f"{digest}  {name}-{version}.linux-amd64.tar.gz\n".encode(),
    }
    assert unpack_release(CATALOGUE[name], folder, lines.append)[0] == name
    assert (folder / name).read_bytes() == PROGRAM


KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")


def publish_kubernetes(site: Site) -> None:
    """Single programs, each beside a file with nothing but its sum; etcd in an archive of its own project."""
    for name in KUBERNETES:
        site.files[f"/v1.34.2/bin/linux/amd64/{name}"] = program = f"#!/bin/sh\n# {name}\n".encode()
        site.files[f"/v1.34.2/bin/linux/amd64/{name}.sha256"] = hashlib.sha256(program).hexdigest().encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("etcd-v3.6.4-linux-amd64/etcd")
        member.size = len(PROGRAM)
        archive.addfile(member, io.BytesIO(PROGRAM))
    path = "/etcd-io/etcd/releases/download/v3.6.4/"
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    site.files[f"{path}etcd-v3.6.4-linux-amd64.tar.gz"] = packed.getvalue()
    site.files[f"{path}SHA256SUMS"] = f"{digest}  etcd-v3.6.4-linux-amd64.tar.gz\n".encode()


def test_kubernetes_comes_as_single_programs_and_etcd_beside_them(
    site: Site, folder: Path, lines: list[str]
) -> None:
    publish_kubernetes(site)
    assert unpack_release(CATALOGUE["kubernetes"], folder, lines.append)[0] == "kube-apiserver"
    assert {path.name for path in folder.iterdir()} == {*KUBERNETES, "etcd"}
    assert all(os.access(path, os.X_OK) for path in folder.iterdir())
    assert (folder / "kubectl").read_bytes() == b"#!/bin/sh\n# kubectl\n"
    assert (folder / "etcd").read_bytes() == PROGRAM


@pytest.mark.parametrize("name", [*KUBERNETES, "etcd"])
def test_one_wrong_sum_among_kubernetes_programs_stops_everything(
    site: Site, cache: Path, lines: list[str], name: str
) -> None:
    publish_kubernetes(site)
    (path,) = [
        path for path in site.files if path.endswith((f"/{name}", f"/{name}-v3.6.4-linux-amd64.tar.gz"))
    ]
    site.files[path] += b"another byte"
    with pytest.raises(ChecksumMismatch, match=rf"{name}.* has SHA-256"):
        chain.provision("kubernetes", report=lines.append)
    assert list(cache.glob(".building*")) == []


def test_a_sum_without_a_name_counts_in_the_file_of_one_sum_only(
    site: Site, folder: Path, lines: list[str]
) -> None:
    publish(site, consul_zip())
    site.files[CONSUL + SUMS] = hashlib.sha256(consul_zip()).hexdigest().encode()
    with pytest.raises(ArchiveUnavailable, match="publishes no checksum"):
        unpack_release(CATALOGUE["consul"], folder, lines.append)


def test_etcd_is_of_the_version_that_kubernetes_is_built_with() -> None:
    module = Path(archives.__file__).parent / "go" / "kubernetes" / "go.mod"
    (etcd,) = [release for release in archives._BESIDE["kubernetes"] if release.name == "etcd"]
    assert f"go.etcd.io/etcd/server/v3 v{etcd.version} " in module.read_text()


def test_servers_of_kubernetes_are_published_for_linux_alone_and_kwok_without_sums(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offered = {}
    for platform in ("linux-arm64", "macos-arm64"):
        monkeypatch.setattr(archives, "platform_key", lambda platform=platform: platform)
        offered[platform] = [name for name in ("kubernetes", "kubectl", "kwok") if archives.has_archive(name)]
    assert offered == {"linux-arm64": ["kubernetes", "kubectl"], "macos-arm64": ["kubectl"]}
