"""Chapters whose servers are there overtake those whose servers are still being provisioned."""

import io
import threading

import pytest
from rich.console import Console

from workbook_lib.book import servers as waiting
from workbook_lib.book.chapters import read
from workbook_lib.book.progress import PlainProgress
from workbook_lib.book.runner import Runner
from workbook_lib.lab.provision import Found, ProvisionError

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def runner(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Runner(tmp_path / "out", PlainProgress(Console(file=io.StringIO(), width=200)))


def test_a_chapter_that_needs_none_runs_while_a_server_is_provisioned(write, runner, monkeypatch):
    needy = read(write("01_needy", "assert True", servers=["redis"]))
    free = read(write("02_free", "assert True"))
    free_has_finished, order = threading.Event(), []

    def provision(name, *, report):
        report("building; this takes minutes")
        assert free_has_finished.wait(60)
        return Found(name, "registry", "6", None, "")

    monkeypatch.setattr(waiting, "find", lambda name: None)
    monkeypatch.setattr(waiting, "provision", provision)
    finished = PlainProgress.finished

    def noticed(self, result):
        finished(self, result)
        order.append(result.notebook)
        if result.notebook == "02_free":
            free_has_finished.set()

    monkeypatch.setattr(PlainProgress, "finished", noticed)
    report = runner.run([needy, free])
    assert [(each.notebook, each.status) for each in report.chapters] == [
        ("01_needy", "passed"),
        ("02_free", "passed"),
    ]
    assert order == ["02_free", "01_needy"]
    printed = runner.progress._console.file.getvalue()
    assert "redis: building; this takes minutes" in printed
    assert "redis: ready: 6 (registry)" in printed


def test_a_chapter_whose_server_cant_be_had_fails_with_the_one_sentence(write, runner, monkeypatch):
    def provision(name, *, report):
        raise ProvisionError("consul can't be had: no network; set CONSUL_HTTP_ADDR")

    monkeypatch.setattr(waiting, "find", lambda name: None)
    monkeypatch.setattr(waiting, "provision", provision)
    report = runner.run([read(write("01_needy", "assert True", servers=["consul"]))])
    (result,) = report.chapters
    assert result.status == "failed"
    assert result.first_error.cell is None
    assert result.first_error.message == "consul can't be had: no network; set CONSUL_HTTP_ADDR"
    assert result.logs == {}
