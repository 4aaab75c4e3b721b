"""What a sales report holds: plain Python, no I/O."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final, NamedTuple

__all__ = ["Sale", "sales"]

_PRICES_CENTS: Final = {
    "keyboard": 8990,
    "mouse": 3450,
    "monitor-27": 32900,
    "usb-c-cable": 1290,
    "webcam": 5999,
}
_FIRST_DAY: Final = date(2026, 1, 1)


class Sale(NamedTuple):
    """One line of a report."""

    day: str
    sku: str
    quantity: int
    amount_cents: int


def sales(count: int, seed: int) -> Iterator[Sale]:
    """`count` made-up sales of a year; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    skus = list(_PRICES_CENTS)
    for _ in range(count):
        sku = chance.choice(skus)
        quantity = chance.randint(1, 5)
        day = _FIRST_DAY + timedelta(days=chance.randrange(365))
        yield Sale(day.isoformat(), sku, quantity, quantity * _PRICES_CENTS[sku])
