"""What things cost. No I/O."""

from typing import Final

__all__ = ["UNIT_PRICE_CENTS", "total_cents"]

UNIT_PRICE_CENTS: Final = {"mouse": 3_450, "keyboard": 8_900, "webcam": 6_500}


def total_cents(sku: str, quantity: int) -> int:
    """The price of `quantity` pieces, in cents. Raises KeyError for what the shop doesn't have."""
    return UNIT_PRICE_CENTS[sku] * quantity
