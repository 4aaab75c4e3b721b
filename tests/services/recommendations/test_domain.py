"""Two things are alike as far as the same people took to both."""

from datetime import UTC, datetime

import pytest

from services.contracts.events import LOGIN, ORDER_PLACED, PRODUCT_VIEWED, UserEvent
from services.recommendations.domain import Neighbour, interest, similarity, suggest
from workbook_lib.kit.errors import InvalidRequest


def _event(type_, **data):
    return UserEvent(event_id="e1", type=type_, user_id="user123", at=datetime.now(UTC), data=data)


@pytest.mark.parametrize("type_", [PRODUCT_VIEWED, ORDER_PLACED])
def test_a_view_and_an_order_show_interest_in_their_sku(type_):
    assert interest(_event(type_, sku="mouse")) == "mouse"


def test_another_event_shows_none():
    assert interest(_event(LOGIN, sku="mouse")) is None


@pytest.mark.parametrize("data", [{}, {"sku": 7}, {"sku": ""}, {"sku": "x" * 65}])
def test_a_view_of_nothing_is_refused(data):
    with pytest.raises(InvalidRequest, match="without a sku"):
        interest(_event(PRODUCT_VIEWED, **data))


@pytest.mark.parametrize(
    ("both", "one", "other", "expected"), [(4, 4, 4, 1.0), (0, 4, 9, 0.0), (3, 9, 4, 0.5)]
)
def test_similarity_is_the_cosine_of_the_users(both, one, other, expected):
    assert similarity(both, one, other) == pytest.approx(expected)


def test_what_goes_with_more_of_the_history_comes_first_and_says_what_it_goes_with():
    found = suggest(
        [
            Neighbour("mouse", "keyboard", 2, 4, 4),
            Neighbour("webcam", "keyboard", 3, 4, 4),
            Neighbour("webcam", "headset", 4, 4, 4),
        ],
        limit=5,
    )
    assert [(each.sku, each.score, each.because) for each in found] == [
        ("keyboard", pytest.approx(1.25), ("webcam", "mouse")),
        ("headset", pytest.approx(1.0), ("webcam",)),
    ]


def test_what_everybody_takes_to_counts_for_less_than_what_few_do():
    found = suggest([Neighbour("mouse", "cable", 4, 4, 100), Neighbour("mouse", "stand", 3, 4, 4)], limit=5)
    assert [each.sku for each in found] == ["stand", "cable"]


def test_no_more_than_the_limit_and_equal_ones_by_name():
    near = [Neighbour("mouse", sku, 1, 1, 1) for sku in ("c", "a", "b")]
    assert [each.sku for each in suggest(near, limit=2)] == ["a", "b"]
