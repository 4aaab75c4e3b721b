"""In a notebook, the loss of a server or service is the next cell's error."""

import pytest
from IPython.core.error import InputRejected
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from workbook_lib.lab import LabError
from workbook_lib.lab.cells import watch_cells


@pytest.fixture
def shell():
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    yield shell
    InteractiveShell.clear_instance()


class Losses:
    def __init__(self):
        self.loss = None

    def check(self):
        if self.loss:
            raise LabError(self.loss)


@pytest.fixture
def losses():
    return Losses()


def test_a_cell_runs_while_everything_lives_and_not_after_a_loss(shell, losses):
    end = watch_cells(losses.check)
    assert shell.run_cell("1 + 1").result == 2
    losses.loss = "kafka: killed by signal 9"
    refused = shell.run_cell("ran = True")
    end()
    assert isinstance(refused.error_before_exec, InputRejected)
    assert str(refused.error_before_exec) == "kafka: killed by signal 9"
    assert "ran" not in shell.user_ns


def test_the_same_loss_is_told_once(shell, losses):
    end = watch_cells(losses.check)
    losses.loss = "kafka: killed by signal 9"
    assert not shell.run_cell("looked = True").success
    assert shell.run_cell("looked = True").success
    losses.loss = "orders: exited with code 1"
    assert not shell.run_cell("again = True").success
    end()


def test_an_ended_watch_refuses_nothing(shell, losses):
    watch_cells(losses.check)()
    losses.loss = "kafka: killed by signal 9"
    assert shell.run_cell("1 + 1").success


def test_outside_a_notebook_nothing_is_watched(losses):
    losses.loss = "kafka: killed by signal 9"
    watch_cells(losses.check)()
