"""What a loan costs: the rules that terms must keep, whoever changes them and when."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["HIGHEST_COST", "Percent", "Terms"]

HIGHEST_COST = Decimal(20)
"""Interest and fee together, in percent a year: more would be usury."""

Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=7, decimal_places=4)]


class Terms(BaseModel):
    """The terms of a loan, in percent of its sum a year. They are only valid together."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    interest: Percent = Field(alias="loan.interest.rate")
    fee: Percent = Field(alias="loan.fee.rate")

    @property
    def cost(self) -> Decimal:
        """What the borrower pays for 100 in a year."""
        return self.interest + self.fee

    @model_validator(mode="after")
    def _lawful(self) -> Self:
        if self.cost > HIGHEST_COST:
            raise ValueError(f"interest and fee come to more than {HIGHEST_COST} percent a year")
        return self
