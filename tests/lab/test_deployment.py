"""The files of deploy/ are filled in, and nothing else in them is touched."""

from pathlib import Path

import pytest

from workbook_lib.lab import deployment
from workbook_lib.lab.deployment import deploy_file, fill_in
from workbook_lib.lab.errors import LabError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(deployment, "_FOLDER", tmp_path)
    (tmp_path / "nginx").mkdir()
    (tmp_path / "other").mkdir()
    return tmp_path


def test_placeholders_in_braces_are_replaced_and_other_dollars_stay(folder):
    (folder / "other" / "a.yml").write_text("to: ${where}\ntext: $labels.x {{ $value }} ${…} $$\n")
    assert fill_in("other/a.yml", {"where": "there"}) == "to: there\ntext: $labels.x {{ $value }} ${…} $\n"


def test_nginx_keeps_its_own_variables(folder):
    (folder / "nginx" / "a.conf").write_text("listen %{port};\nreturn 200 $host-${uri};\n")
    assert fill_in("nginx/a.conf", {"port": 80}) == "listen 80;\nreturn 200 $host-${uri};\n"


def test_a_line_whose_value_is_a_list_appears_once_for_each(folder):
    (folder / "nginx" / "a.conf").write_text("up {\n  server %{hosts} weight=%{weight};\n}\n")
    filled = fill_in("nginx/a.conf", {"hosts": ["a:1", "b:2"], "weight": 3})
    assert filled == "up {\n  server a:1 weight=3;\n  server b:2 weight=3;\n}\n"


def test_a_value_that_is_missing_is_named(folder):
    (folder / "other" / "a.yml").write_text("${one} ${two} ${three}\n")
    with pytest.raises(LabError, match=r"a\.yml needs a value for one, three"):
        fill_in("other/a.yml", {"two": 2})


def test_a_file_that_isnt_there_is_answered_with_those_that_are():
    with pytest.raises(LabError, match=r"there is no .*its folder has alerts\.yml, prometheus\.yml"):
        deploy_file("prometheus/rules.yml")
