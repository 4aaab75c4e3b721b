"""From a commit to running processes: tested, decided by branch or tag, deployed, switched, rolled back."""

from workbook_lib.lab.pipeline.pipeline import Pipeline, environment_of
from workbook_lib.lab.pipeline.repository import Repository
from workbook_lib.lab.pipeline.stages import PipelineRun, Stage

__all__ = ["Pipeline", "PipelineRun", "Repository", "Stage", "environment_of"]
