"""The exercise of 2.3.5: call a method by the rule in its contract."""

from __future__ import annotations

from typing import Any, Final

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.handle import Handle
from workbook_lib.lab.lab import Lab

__all__ = ["by_the_rule"]

_LOG_SECONDS: Final = 0.5  # a line is written right after the answer


@exercise("2.3.5", "By the rule")
async def by_the_rule(lab: Lab, customer: str) -> Finding:
    """Looks for the customer's order in the database, and for its request in both logs at the edge."""
    database = (lab["orders"].folder or lab.folder) / "orders.db"
    found = await evidence.rows(database, "select user_id, sku, quantity, status from orders")
    orders = [row for row in found if row["user_id"] == customer and row["status"] == "CONFIRMED"]
    at_the_port = await _requests(lab["nginx"], customer)
    if not orders and not at_the_port:
        return no(
            "Nobody has asked the port for an order of this customer. The rule of PlaceOrder is in the table "
            "at the beginning: which part of the message is in the path?",
            evidence="no order, and no request in nginx's log",
        )
    if not orders:
        status = at_the_port[-1]["status"]
        return no(
            'It was refused. Where does a rule with `body: "*"` take the fields from that the path lacks?',
            evidence=f"the port answered {status}, and no order was stored",
        )
    if at_the_port:
        wanted = [(row["sku"], row["quantity"]) for row in orders] == [("mouse", 3)]
        seen = f"{len(orders)} order of {orders[0]['quantity']} {orders[0]['sku']}, asked for at the port"
        return yes(seen) if wanted else no("It isn't one order of three mice.", evidence=seen)
    if await _requests(lab["gateway"], customer):
        return no(
            "The order is there, but went past the one port. Whose address did you call?",
            evidence="its request is in the gateway's log and not in nginx's",
        )
    return no(
        "The order is there, but nobody asked for it over REST. Which protocol did you speak?",
        evidence="no request of this customer in the logs of nginx and gateway",
    )


async def _requests(process: Handle, customer: str) -> list[dict[str, Any]]:
    def logged() -> list[dict[str, Any]]:
        return [line for line in evidence.log_records(process) if customer in line.get("path", "")]

    try:
        return await evidence.eventually(logged, _LOG_SECONDS, interval_seconds=0.05)
    except evidence.EvidenceTimeout:
        return []
