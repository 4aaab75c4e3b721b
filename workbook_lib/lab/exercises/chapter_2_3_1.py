"""The exercise of 2.3.1: a change that leaves others' changes alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import httpx2

from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["rename"]

_PATH: Final = "/products/shared-lamp"
_LAMP: Final = {"name": "Reading lamp", "category": "furniture", "price_cents": 4200}
_NAME, _PRICE = "Lamp, brass", 3500

Rename = Callable[[httpx2.AsyncClient, str, Callable[[], Awaitable[None]]], Awaitable[object]]
"""A way to give the product of a path another name: what it is called with is in the chapter."""


@exercise("2.3.1", "The name, and only the name")
async def rename(lab: Lab, answer: Rename) -> Finding:
    """Lets a colleague save another price between reading and writing, then reads the product."""
    async with httpx2.AsyncClient(base_url=lab["products"].url, timeout=10, trust_env=False) as client:
        await client.put(_PATH, json=_LAMP)
        coffees = 0

        async def coffee() -> None:
            nonlocal coffees
            coffees += 1
            if coffees == 1:
                saved = await client.put(_PATH, json=_LAMP | {"price_cents": _PRICE})
                saved.raise_for_status()

        await answer(client, _PATH, coffee)
        left = (await client.get(_PATH)).json()
    seen = f"{left['name']}, {left['price_cents']} cents"
    if not coffees:
        return no("Take the coffee between reading and writing: that is when others save.", evidence=seen)
    if left["name"] != _NAME:
        hint = "The name is the old one. Was it written after the coffee, and what was the answer?"
        return no(hint, evidence=seen)
    if left["price_cents"] != _PRICE:
        return no(
            "The colleague's price is gone. Of which state of the product is what was written?",
            evidence=seen,
        )
    return yes(f"both changes are there: {seen}")
