"""A service's page can be opened inside JupyterLab: asked for as a browser does, through a Jupyter server."""

import re
import subprocess
import sys
import time
from urllib.parse import urljoin

import httpx2
import pytest

from workbook_lib.lab import Lab, show
from workbook_lib.lab.ports import PortAllocator, PortRequest

TOKEN = {"Authorization": "token jupyter-test"}
PREFIX = "/user/reader/"  # as below a JupyterHub, on Binder for example


def links(shown) -> list[str]:
    """What the output points to."""
    return re.findall(r'(?:src|href)="([^"]+)"', shown._repr_html_())


def test_the_page_is_linked_through_jupyter_and_directly():
    shown = show.web_page("http://127.0.0.1:8086/docs", "Products")
    assert set(links(shown)) == {"/proxy/8086/docs", "http://127.0.0.1:8086/docs"}
    assert repr(shown) == "Products: http://127.0.0.1:8086/docs"
    assert "<script" not in shown._repr_html_()


def test_below_a_hub_the_link_has_the_users_prefix(monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", PREFIX)
    assert "/user/reader/proxy/8086/" in links(show.web_page("http://127.0.0.1:8086"))


def test_title_and_address_are_escaped():
    assert "<b>" not in show.web_page("http://127.0.0.1:1/?<b>", "<b>")._repr_html_()


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """The address of a Jupyter server of these tests' own, with the extensions that the workbook installs."""
    folder = tmp_path_factory.mktemp("jupyter")
    kept = PortAllocator().reserve(PortRequest("http"))  # until it is bound, and afterwards, by nobody else
    kept.hand_over()
    options = {
        "ip": "127.0.0.1",
        "port": kept.port,
        "base_url": PREFIX,
        "root_dir": folder,
        "open_browser": False,
    }
    command = [
        sys.executable,
        "-m",
        "jupyter_server",
        "--allow-root",
        "--IdentityProvider.token=jupyter-test",
    ]
    command += [f"--ServerApp.{name}={value}" for name, value in options.items()]
    with (folder / "jupyter.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        yield _answering(f"http://127.0.0.1:{kept.port}", process)
    finally:
        process.terminate()
        process.wait(30)
        kept.release()


def _answering(url: str, process: subprocess.Popen, seconds: float = 90.0) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx2.get(f"{url}{PREFIX}api/status", headers=TOKEN, timeout=2).status_code == 200:
                return url
        except httpx2.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"no Jupyter server after {seconds} s (exit code {process.poll()})")


async def test_swagger_ui_and_all_its_files_come_through_jupyter(jupyter, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", PREFIX)
    async with Lab("pages", root=tmp_path) as lab:
        await lab.start("welcome")
        page = urljoin(jupyter, links(show.web_page(f"{lab['welcome'].url}/docs"))[0])
        with httpx2.Client(headers=TOKEN, timeout=10) as browser:
            html = browser.get(page)
            assert html.status_code == 200
            parts = [
                *re.findall(r'(?:src|href)="([^"]+)"', html.text),
                *re.findall(r"url: '([^']+)'", html.text),
            ]
            answers = {part: browser.get(urljoin(page, part)) for part in parts}
    assert {"docs/swagger-ui-bundle.js", "docs/swagger-ui.css", "openapi.json"} <= answers.keys()
    assert {part: answer.status_code for part, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert answers["openapi.json"].json()["openapi"].startswith("3.")


def test_a_page_that_knows_its_path_behind_jupyter_is_asked_for_there():
    shown = show.web_page("http://127.0.0.1:8500/proxy/absolute/8500/ui/")
    assert links(shown)[0] == "/proxy/absolute/8500/ui/"


async def test_consuls_ui_its_files_and_what_it_asks_come_through_jupyter(jupyter, tmp_path, monkeypatch):
    """The UI asks for /v1/… by a script that adds the way to Consul: here that way is gone."""
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", PREFIX)
    async with Lab("pages", root=tmp_path) as lab:
        await lab.start("consul")
        through, direct = dict.fromkeys(links(show.consul_ui(lab["consul"].url)))
        port = lab["consul"].port()
        with httpx2.Client(headers=TOKEN, timeout=10) as browser:
            page = urljoin(jupyter, through)
            html = browser.get(page).text
            parts = re.findall(r'(?:src|href)="([^"]+)"', html)
            answers = {urljoin(page, part): browser.get(urljoin(page, part)) for part in parts}
            script = answers[urljoin(page, next(part for part in parts if "compiled" in part))].text
            leader = browser.get(urljoin(page, f"{PREFIX}proxy/{port}/v1/status/leader"))
            assert browser.get(direct).text == html
    assert len(answers) > 10
    assert {answer.status_code for answer in answers.values()} == {200}
    assert "`${before}/proxy/${port}${url}`" in script
    assert leader.json().startswith("127.0.0.1:")
