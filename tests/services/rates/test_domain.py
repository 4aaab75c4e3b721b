"""What terms a loan may have."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from services.rates.domain import HIGHEST_COST, Terms


def terms(interest, fee):
    return Terms.model_validate({"loan.interest.rate": interest, "loan.fee.rate": fee})


def test_the_cost_is_exact():
    assert terms("3.85", "0.385").cost == Decimal("4.235")


def test_terms_are_lawful_only_together():
    assert terms(HIGHEST_COST, 0).cost == HIGHEST_COST
    with pytest.raises(ValidationError, match="more than 20 percent"):
        terms(HIGHEST_COST, "0.0001")


@pytest.mark.parametrize("interest", ["-0.01", "100.1", "3,85", "", "NaN", "Infinity", "0.00001"])
def test_no_interest_is(interest):
    with pytest.raises(ValidationError, match=r"loan\.interest\.rate"):
        terms(interest, 0)
