"""Stages run in order, and the first that fails is the last that runs."""

import pytest

from workbook_lib.lab import LabError
from workbook_lib.lab.pipeline import PipelineRun, environment_of
from workbook_lib.lab.pipeline.stages import StageFailed, run_stages


@pytest.mark.parametrize(
    ("ref", "environment"),
    [
        ("main", "staging"),
        ("v1.0.0", "prod"),
        ("v10.20.30", "prod"),
        ("feature/discount", "dev"),
        ("v1", "dev"),
        ("v1.0.0-rc1", "dev"),
        ("mainline", "dev"),
    ],
)
def test_the_ref_decides_the_environment(ref, environment):
    assert environment_of(ref) == environment


def _step(detail: str = "", error: Exception | None = None):
    async def step() -> str:
        if error is not None:
            raise error
        return detail

    return step


@pytest.mark.parametrize("error", [StageFailed("1 failed"), LabError("shop died. Its log:\n1 failed")])
async def test_after_a_failure_nothing_else_is_done(error):
    stages = await run_stages([("a", _step("fine")), ("b", _step(error=error)), ("c", _step("never"))])
    run = PipelineRun("main", "abc", "staging", stages)
    assert [(each.stage, each.outcome, each.detail) for each in stages] == [
        ("a", "passed", "fine"),
        ("b", "failed", "1 failed"),
        ("c", "skipped", ""),
    ]
    assert (run.succeeded, run.failed) == (False, stages[1])


async def test_an_error_of_the_pipeline_itself_is_not_a_failed_stage():
    with pytest.raises(ZeroDivisionError):
        await run_stages([("a", _step(error=ZeroDivisionError()))])
