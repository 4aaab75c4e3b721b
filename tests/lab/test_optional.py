"""What a chapter does without is told where the reader looks: in the cell, else on the terminal."""

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from workbook_lib.lab.optional import show_skipped


@pytest.fixture
def shell():
    yield InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    InteractiveShell.clear_instance()


def test_in_a_notebook_it_is_the_cells_output_with_its_markup_escaped(shell):
    with capture_output() as captured:
        show_skipped(["rabbitmq"], "no <apt> here")
    (shown,) = captured.outputs
    assert "Skipped: rabbitmq." in shown.data["text/html"]
    assert "no &lt;apt&gt; here" in shown.data["text/html"]
    assert shown.data["text/plain"] == "Skipped: rabbitmq. no <apt> here"


def test_elsewhere_it_is_printed(capsys):
    show_skipped(["rabbitmq", "nginx"], "why")
    assert capsys.readouterr().out == "Skipped: rabbitmq, nginx. why\n"
