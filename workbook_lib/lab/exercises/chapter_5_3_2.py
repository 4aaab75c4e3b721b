"""The exercise of 5.3.2: give a version a share of the calls by hand."""

from __future__ import annotations

from collections.abc import Sequence

from workbook_lib.kit.canary import ConsulSplit
from workbook_lib.kit.consul import Consul, Instance
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["one_in_ten"]

_SERVICE = "nlp-model"


@exercise("5.3.2", "One call in ten")
async def one_in_ten(lab: Lab) -> Finding:
    """Looks at the instances that Consul hands out to callers, and at their weights."""
    async with Consul(lab["consul"].url) as consul:
        passing = (await consul.health(_SERVICE, consistent=True)).value
        finding = _judged(passing)
        split = ConsulSplit(consul, _SERVICE, baseline="v1", canary="v2")
        await split.set_share(5)  # weights that tell nothing of the answer, and
        await split.take_back("exercise 5.3.2")  # out of rotation, as before: each attempt counts by itself
    return finding


def _judged(passing: Sequence[Instance]) -> Finding:
    weights = {version: _weight(passing, version) for version in ("v1", "v2")}
    said = ", ".join(f"{version}: {weight}" for version, weight in weights.items())
    if not weights["v1"]:
        return no("The other nine calls in ten have nowhere to go: v1 isn't handed out.", evidence=said)
    if not weights["v2"]:
        return no(
            "v2 may weigh what it likes, Consul hands it out to nobody. What did the rollback leave it in?",
            evidence=said,
        )
    share = 100 * weights["v2"] / (weights["v1"] + weights["v2"])
    said += f", so {share:.2f} % for v2"
    if share < 2:
        return no("A weight isn't a percentage. A percentage of what would that have to be?", evidence=said)
    if abs(share - 100 / 11) < 0.2:
        return no(
            "Ten calls go to v1 for each that goes to v2. How many of how many calls is that?", evidence=said
        )
    if abs(share - 10) > 0.2:
        return no(
            "The share of a version is its weight divided by the sum of all that are handed out.",
            evidence=said,
        )
    return yes(said)


def _weight(instances: Sequence[Instance], version: str) -> int:
    return sum(each.weight for each in instances if each.meta.get("version") == version)
