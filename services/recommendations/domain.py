"""Item-to-item collaborative filtering: two things are alike as far as the same people took to both.

After Linden, Smith and York, "Amazon.com Recommendations: Item-to-Item Collaborative Filtering" (2003). The
counts grow with each event, so there is no nightly run that computes them.
"""

from collections import defaultdict
from collections.abc import Iterable
from math import sqrt
from typing import NamedTuple

from services.contracts.events import ORDER_PLACED, PRODUCT_VIEWED, UserEvent
from workbook_lib.kit.errors import InvalidRequest

__all__ = ["Neighbour", "Suggestion", "interest", "similarity", "suggest"]

_SKU_CHARACTERS = 64


class Neighbour(NamedTuple):
    """Something that `users_of_both` have in common with `sku`, which is in a user's history."""

    sku: str
    other: str
    users_of_both: int
    users_of_sku: int
    users_of_other: int


class Suggestion(NamedTuple):
    """What a user may like, how much (within one list), and what in their history says so."""

    sku: str
    score: float
    because: tuple[str, ...]


def interest(event: UserEvent) -> str | None:
    """The SKU in which an event shows interest; None for an event of another kind.

    Raises InvalidRequest for a view or an order that names none.
    """
    if event.type not in (PRODUCT_VIEWED, ORDER_PLACED):
        return None
    sku = event.data.get("sku")
    if not isinstance(sku, str) or not 0 < len(sku) <= _SKU_CHARACTERS:
        raise InvalidRequest(f"{event.type} without a sku")
    return sku


def similarity(users_of_both: int, users_of_one: int, users_of_other: int) -> float:
    """The cosine of two items' vectors of users: 1 when the same people took to both, 0 when nobody did.

    What everybody takes to is like nothing in particular: large counts of its own make it smaller.
    """
    return users_of_both / sqrt(users_of_one * users_of_other)


def suggest(neighbours: Iterable[Neighbour], limit: int) -> list[Suggestion]:
    """The best `limit` items that aren't in the history, the sum of their similarities to it first."""
    reasons: dict[str, dict[str, float]] = defaultdict(dict)
    for near in neighbours:
        alike = similarity(near.users_of_both, near.users_of_sku, near.users_of_other)
        reasons[near.other][near.sku] = alike
    found = [
        Suggestion(sku, sum(by.values()), tuple(sorted(by, key=lambda known: (-by[known], known))))
        for sku, by in reasons.items()
    ]
    return sorted(found, key=lambda suggestion: (-suggestion.score, suggestion.sku))[:limit]
