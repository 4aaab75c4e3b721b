"""A check says what it saw; a reader sees it in words, `workbook run` as JSON."""

import asyncio

import pytest

from workbook_lib.lab.errors import LabError
from workbook_lib.lab.exercises import MIME_TYPE, Finding, Verdict, check, exercise, no, yes


@exercise("9.1", "Larger than one")
async def larger(number: int) -> Finding:
    """Looks at a number."""
    if number > 1:
        return yes(f"it is {number}")
    return no("Think of <two>.", evidence=f"it is {number}")


async def test_the_check_makes_the_finding_a_verdict_of_its_exercise():
    assert await larger.check(2) == Verdict("9.1", "larger", "Larger than one", True, "it is 2")
    assert await larger.check(1) == Verdict(
        "9.1", "larger", "Larger than one", False, "it is 1", "Think of <two>."
    )
    assert (larger.section, larger.title, larger.__doc__) == ("9.1", "Larger than one", "Looks at a number.")


async def test_it_displays_itself_as_html_text_and_json():
    right = (await larger.check(2))._repr_mimebundle_()
    assert right["text/plain"] == "Right. Observed: it is 2."
    assert right[MIME_TYPE] == {
        "section": "9.1",
        "exercise": "larger",
        "title": "Larger than one",
        "passed": True,
        "evidence": "it is 2",
        "hint": "",
    }
    wrong = (await larger.check(0))._repr_mimebundle_()
    assert wrong["text/plain"] == "Not yet. Think of <two>. Observed: it is 0."
    assert "<b>Not yet.</b> Think of &lt;two&gt;. Observed: it is 0." in wrong["text/html"]
    assert wrong[MIME_TYPE]["passed"] is False


async def test_what_a_check_raises_is_raised():
    @exercise("9.1", "Broken")
    async def broken() -> Finding:
        raise ConnectionError("no Consul")

    with pytest.raises(ConnectionError, match="no Consul"):
        await broken.check()


async def test_a_check_without_a_result_ends_with_a_clear_error(monkeypatch):
    monkeypatch.setattr(check, "CHECK_SECONDS", 0.05)

    @exercise("9.1", "Endless")
    async def endless() -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(LabError, match="'Endless' had no result"):
        await endless.check()
