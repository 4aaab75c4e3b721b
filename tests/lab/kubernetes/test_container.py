"""A container's command, and how long it waits before it is started again."""

import sys

import pytest
from lightkube.models.core_v1 import Container

from workbook_lib.lab import in_folder
from workbook_lib.lab.command import run
from workbook_lib.lab.kubernetes.container import BackOff, command_line
from workbook_lib.lab.kubernetes.environment import ConfigError


def test_it_is_started_again_at_once_then_ever_later_up_to_a_bound():
    back_off = BackOff()
    assert [back_off.after(1) for _ in range(7)] == [0, 1, 2, 4, 8, 16, 16]
    assert back_off.after(61) == 0  # it ran for a while
    assert back_off.after(1) == 1


@pytest.mark.parametrize(
    ("command", "args", "runs"),
    [
        (["python", "-m", "services.users"], ["--port=8000"], ["-m", "services.users", "--port=8000"]),
        (None, ["-m", "services.users", "--host=$(IP)"], ["-m", "services.users", "--host=127.244.0.2"]),
    ],
)
def test_the_images_python_is_this_one(command, args, runs):
    container = Container(name="web", command=command, args=args)
    assert command_line(container, {"IP": "127.244.0.2"}) == [sys.executable, *runs]


def test_another_program_stays_as_it_is():
    assert command_line(Container(name="web", command=["sleep", "1"]), {}) == ["sleep", "1"]


def test_a_container_without_command_and_arguments_cannot_run():
    with pytest.raises(ConfigError, match="'web'"):
        command_line(Container(name="web"), {})


def test_a_module_runs_in_the_pods_folder_with_its_own_arguments(tmp_path):
    (tmp_path / "here.json").write_text('{"found": true}')
    words = ["-m", in_folder.__name__, str(tmp_path), "json.tool", "--compact", "here.json"]
    assert run("python", *words).text == '{"found":true}\n'
