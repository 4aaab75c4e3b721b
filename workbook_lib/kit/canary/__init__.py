"""A new version beside the old one: some of the calls first, more as they show that it does no harm.

Shares (`ConsulSplit`) are separate from what is counted (`Attempts`), from the rule that judges it (`Rule`)
and from the controller that puts them together (`Rollout`). `Mirror` tries a version out on copies of calls.
"""

from workbook_lib.kit.canary.attempts import Attempts, scrape
from workbook_lib.kit.canary.evidence import Block, Evidence
from workbook_lib.kit.canary.mirror import Mirror
from workbook_lib.kit.canary.model import FAILED, SLOW, STANDARD, WRONG, Measure, Tally
from workbook_lib.kit.canary.rollout import SLICES, Look, Rollout, Tallies
from workbook_lib.kit.canary.rule import Comparison, Rule, Verdict
from workbook_lib.kit.canary.split import ConsulSplit, Traffic

__all__ = [
    "FAILED",
    "SLICES",
    "SLOW",
    "STANDARD",
    "WRONG",
    "Attempts",
    "Block",
    "Comparison",
    "ConsulSplit",
    "Evidence",
    "Look",
    "Measure",
    "Mirror",
    "Rollout",
    "Rule",
    "Tallies",
    "Tally",
    "Traffic",
    "Verdict",
    "scrape",
]
