"""Rules of money."""

import pytest

from services.payments.domain import HELD, OPENING, SHOP, Payment, account_of
from workbook_lib.kit.errors import InvalidRequest


def test_every_broken_rule_is_named():
    with pytest.raises(InvalidRequest) as raised:
        Payment("", "", 0)
    assert [detail["field"] for detail in raised.value.details] == ["order_id", "user_id", "amount_cents"]


@pytest.mark.parametrize("user_id", [SHOP, HELD, OPENING])
def test_no_user_can_have_the_shops_own_accounts(user_id):
    assert account_of(user_id) not in {SHOP, HELD, OPENING}
