"""The one route, without Consul: the terms of the start."""

from services.rates.app import build
from services.rates.settings import RatesSettings


async def test_the_terms_are_those_of_the_start(running):
    async with running(build(RatesSettings(interest_rate="4.5", fee_rate="0.25"))) as client:
        answer = await client.get("/current-rate")
    assert answer.json() == {"rate": "4.5", "fee": "0.25", "cost": "4.75", "revision": 0}
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-terms"] == "4.5+0.25@0"
