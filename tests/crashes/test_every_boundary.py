"""A crash at every boundary between two steps, whoever coordinates the order: nothing is lost or doubled.

Services are killed by SIGKILL where they stand and started again; then the history checker reads the
databases and the topics. Which boundaries there are, each scenario finds out by itself.
"""

import contextlib
from collections.abc import Awaitable, Callable

import pytest

from tests.crashes.conftest import ENVIRONMENT, POOR, RICH, SERVICES, Shop
from workbook_lib.lab import LabError
from workbook_lib.lab.crashes import Boundary, boundaries, crash_at
from workbook_lib.lab.evidence import eventually

pytestmark = [pytest.mark.server, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]

ORDERS = 5
SCENARIOS: dict[str, Callable[[Shop], Awaitable[None]]] = {
    "a saga": lambda shop: shop.order("ORCHESTRATION", RICH, ORDERS),
    "a saga that is refused the money": lambda shop: shop.order("ORCHESTRATION", POOR, ORDERS),
    "a saga in doubt of the money": lambda shop: shop.order_without_answers_of_payments(
        "ORCHESTRATION", ORDERS
    ),
    "TCC": lambda shop: shop.order("TCC", RICH, ORDERS),
    "TCC that is refused the money": lambda shop: shop.order("TCC", POOR, ORDERS),
    "TCC in doubt of the money": lambda shop: shop.order_without_answers_of_payments("TCC", ORDERS),
    "choreography": lambda shop: shop.order("CHOREOGRAPHY", RICH, ORDERS),
}
# The same failpoints as on the way there, but passed for the second message of an order: the one that undoes.
UNDOING = [Boundary("inventory", "inbox.before_commit"), Boundary("inventory", "consumer.handled")]

crashed: list[Boundary] = []


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_crash_at_any_boundary_loses_nothing_and_doubles_nothing(shop: Shop, scenario: str):
    async def to_its_end() -> None:
        await SCENARIOS[scenario](shop)
        await eventually(shop.all_told, 60)

    for boundary in await boundaries(shop.lab, SERVICES, to_its_end):
        if boundary not in crashed:
            # One that isn't reached again was passed by chance; that none is missing is asserted at the end.
            with contextlib.suppress(LabError):
                crash = await crash_at(
                    shop.lab, boundary, lambda: SCENARIOS[scenario](shop), shop.at_rest, env=ENVIRONMENT
                )
                crashed.append(boundary)
                print(
                    f"{boundary}: {crash.away_seconds:.1f} s away, at rest {crash.rest_seconds:.1f} s later"
                )


@pytest.mark.parametrize("boundary", UNDOING, ids=str)
async def test_a_crash_while_a_choreographed_order_is_undone_loses_nothing_either(
    shop: Shop, boundary: Boundary
):
    def refused() -> Awaitable[None]:
        return shop.order("CHOREOGRAPHY", POOR, ORDERS)

    await crash_at(shop.lab, boundary, refused, shop.at_rest, env=ENVIRONMENT, count=ORDERS + 1)


async def test_after_all_crashes_the_whole_history_holds(shop: Shop):
    await eventually(shop.all_told, 60)
    history = await shop.history()
    assert history.findings == ()
    assert history.orders.keys() == {"CONFIRMED", "CANCELLED"}
    assert sum(history.orders.values()) >= 200
    assert history.redelivered > 0  # crashes after the broker's acknowledgement: inboxes had something to do
    assert set(shop.told.values()) <= {"CONFIRMED", "PENDING"}


async def test_there_was_a_crash_at_every_boundary_of_saga_tcc_outbox_and_inbox():
    saga = [
        f"order-saga.{step}.{when}"
        for step in ("reserve", "charge")
        for when in ("stored", "done", "compensating", "compensated")
    ]
    tcc = [
        f"order-tcc.{participant}.{when}"
        for participant in ("inventory", "payments")
        for when in ("trying", "tried", "confirmed", "cancelled")
    ]
    ends = ["order-saga.ended", "order-tcc.decided", "order-tcc.ended"]
    expected = {Boundary("orders", name) for name in saga + tcc + ends}
    events = ("outbox.before_publish", "outbox.published", "inbox.before_commit", "consumer.handled")
    for service in ("orders", "inventory", "payments"):
        expected |= {Boundary(service, name) for name in events}
    calls = {
        "inventory": ("Reserve", "Release", "TryReserve", "ConfirmReserve", "CancelReserve"),
        "payments": ("Charge", "Refund", "TryCharge", "ConfirmCharge", "CancelCharge"),
        "orders": ("PlaceOrder",),
    }
    for service, methods in calls.items():
        expected |= {Boundary(service, f"rpc.{method}.handled") for method in methods}
    expected.add(Boundary("audit_log", "consumer.handled"))
    assert set(crashed) == expected
