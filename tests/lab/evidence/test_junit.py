"""A test run's report says which case did what, and an empty one is no success."""

import sys

import pytest

from workbook_lib.lab import command, evidence

TESTS = """
import pytest

def test_holds():
    assert 1 + 1 == 2

def test_breaks():
    assert 1 + 1 == 3, "sums"

@pytest.mark.skip(reason="not today")
def test_waits():
    pass

@pytest.fixture
def broken():
    raise OSError("no disk")

def test_cannot_start(broken):
    pass
"""


@pytest.fixture
def report(tmp_path):
    (tmp_path / "test_sums.py").write_text(TESTS)
    options = ["-q", "-p", "no:cacheprovider", "--junitxml", tmp_path / "report.xml"]
    command.run(sys.executable, "-m", "pytest", *options, "test_sums.py", cwd=tmp_path, expect=1)
    return evidence.junit(tmp_path / "report.xml")


def test_each_case_has_its_outcome_and_the_reason(report):
    outcomes = {case.name: case.outcome for case in report}
    assert outcomes == {
        "test_sums::test_holds": "passed",
        "test_sums::test_breaks": "failed",
        "test_sums::test_waits": "skipped",
        "test_sums::test_cannot_start": "error",
    }
    messages = {case.name.partition("::")[2]: case.message for case in report}
    assert "AssertionError: sums" in messages["test_breaks"]
    assert "not today" in messages["test_waits"]
    assert "no disk" in messages["test_cannot_start"]
    assert messages["test_holds"] == ""


def test_several_failures_of_one_case_are_all_told(tmp_path):
    """schemathesis reports every kind of failure of an operation under the one case."""
    (tmp_path / "report.xml").write_text(
        '<testsuites><testsuite><testcase name="GET /a" time="1.5"><failure>one</failure>'
        '<failure>two</failure></testcase><testcase name="GET /b" time="0.1"/></testsuite></testsuites>'
    )
    first, second = evidence.junit(tmp_path / "report.xml")
    assert (first.name, first.outcome, first.seconds, first.message) == ("GET /a", "failed", 1.5, "one\ntwo")
    assert second.outcome == "passed"


@pytest.mark.parametrize("text", ["", "<testsuites/>", "no xml"])
def test_a_report_of_nothing_is_an_error(tmp_path, text):
    (tmp_path / "report.xml").write_text(text)
    with pytest.raises(evidence.EvidenceError, match=r"report\.xml"):
        evidence.junit(tmp_path / "report.xml")


def test_a_missing_report_is_an_error(tmp_path):
    with pytest.raises(evidence.EvidenceError, match="isn't a JUnit report"):
        evidence.junit(tmp_path / "report.xml")
