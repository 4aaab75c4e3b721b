"""A cell can run a program and is told plainly when it didn't do what was expected."""

import sys

import pytest

from workbook_lib.lab import command


def test_output_shows_the_command_and_what_it_printed():
    output = command.run("python", "-c", "print('hello')")
    assert str(output) == "$ python -c 'print('\"'\"'hello'\"'\"')'\nhello"
    assert output.exit_code == 0


def test_programs_of_this_environment_come_first():
    where = command.run("python", "-c", "import sys; print(sys.prefix)").text.strip()
    assert where == sys.prefix


def test_programs_print_plain_text_where_a_kernel_asks_for_colours(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    code = "from rich.console import Console; Console().print('[red]hello')"
    assert command.run("python", "-c", code).text == "hello\n"


def test_an_unexpected_exit_code_raises_with_the_output():
    with pytest.raises(command.CommandFailed, match=r"(?s)broken.*exit code 3, expected 0"):
        command.run("python", "-c", "print('broken'); raise SystemExit(3)")
    assert command.run("python", "-c", "raise SystemExit(3)", expect=3).exit_code == 3


def test_a_missing_program_is_named():
    with pytest.raises(command.CommandFailed, match="no program named no-such-program"):
        command.run("no-such-program")


def test_a_program_that_hangs_is_ended():
    with pytest.raises(command.CommandFailed, match=r"not done after 0\.2 s"):
        command.run("python", "-c", "import threading; threading.Event().wait()", timeout_seconds=0.2)
