"""The history checker: reads databases and topics, and finds where an order's services contradict each other.

No service is asked: what one says of itself may be wrong in the same way as what it did. The rules are those
of a shop. No piece of stock and no cent comes or goes; every order ends; what it caused happened once, all of
it or nothing.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbook_lib.lab.evidence.database import rows
from workbook_lib.lab.evidence.topics import Record

__all__ = ["Finding", "History", "check_history"]

Row = dict[str, Any]

_READ = {
    "orders": ("orders", "sagas", "tcc_transactions", "outbox"),
    "inventory": ("items", "reservations", "tcc_branches", "outbox"),
    "payments": ("accounts", "entries", "payments", "tcc_branches", "outbox"),
    "audit_log": ("entries",),
}
_CHOREOGRAPHY = ("order-events", "stock-events", "payment-events")
_ENDED = {"COMPLETED", "COMPENSATED", "CONFIRMED", "CANCELLED"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One contradiction: the rule that is broken, where, and what was found."""

    rule: str
    subject: str
    found: str


@dataclass(frozen=True, slots=True)
class History:
    """What was read, in figures, and every contradiction in it."""

    orders: Mapping[str, int]
    """Orders by status."""
    events: int
    """Events in the topics that were read; a redelivery of one counts once."""
    redelivered: int
    """Records beyond that: the same event once more, which an inbox has to recognise."""
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether no rule is broken."""
        return not self.findings


@dataclass
class _Facts:
    """The tables by service and name, the records by topic, and what callers were told."""

    tables: dict[tuple[str, str], list[Row]]
    records: dict[str, list[Record]]
    stock: Mapping[str, int]
    told: Mapping[str, str]
    orders: dict[str, Row] = field(default_factory=dict)

    def of(self, service: str, table: str) -> list[Row]:
        return self.tables.get((service, table), [])

    @property
    def services(self) -> list[str]:
        return list(dict.fromkeys(service for service, _ in self.tables))


async def check_history(
    databases: Mapping[str, str | Path],
    records: Iterable[Record] = (),
    *,
    stock: Mapping[str, int],
    told: Mapping[str, str] | None = None,
) -> History:
    """Check the databases of `orders`, `inventory` and, if there, `payments` and `audit_log`.

    `records` are those of the topics to check with them, `stock` what there was of each SKU at the start, and
    `told` which status callers were told of an order. Transactions under way are findings, too: ask with
    `eventually` until the system has come to rest. Raises EvidenceError for a database that can't be read.
    """
    named = [(service, table) for service in databases for table in _READ[service]]
    read = await asyncio.gather(
        *(rows(databases[service], f"SELECT * FROM {table}") for service, table in named)  # noqa: S608 # nosec B608: names of ours
    )
    by_topic: dict[str, list[Record]] = {}
    for record in records:
        by_topic.setdefault(record.topic, []).append(record)
    facts = _Facts(dict(zip(named, read, strict=True)), by_topic, stock, told or {})
    facts.orders = {row["id"]: row for row in facts.of("orders", "orders")}
    every = [record for topic in by_topic.values() for record in topic]
    distinct = len({_event_id(record) for record in every})
    return History(
        dict(Counter(order["status"] for order in facts.orders.values())),
        distinct,
        len(every) - distinct,
        tuple(itertools.chain.from_iterable(rule(facts) for rule in _RULES)),
    )


def _stock(facts: _Facts) -> Iterator[Finding]:
    held: Counter[str] = Counter()
    for row in facts.of("inventory", "reservations"):
        if row["status"] in {"RESERVED", "TRIED"}:
            held[row["sku"]] += row["quantity"]
    for item in facts.of("inventory", "items"):
        sku, available = item["sku"], item["available"]
        if available < 0 or available + held[sku] != facts.stock.get(sku):
            found = f"{available} available + {held[sku]} held, {facts.stock.get(sku)} at the start"
            yield Finding("available + held = initial", sku, found)


def _money(facts: _Facts) -> Iterator[Finding]:
    transfers: Counter[str] = Counter()
    accounts: Counter[str] = Counter()
    for entry in facts.of("payments", "entries"):
        transfers[entry["transfer_id"]] += entry["amount_cents"]
        accounts[entry["account_id"]] += entry["amount_cents"]
    for transfer, cents in transfers.items():
        if cents:
            yield Finding(
                "what one account gives another gets", f"transfer {transfer}", f"{cents} cents over"
            )
    for account in facts.of("payments", "accounts"):
        name, balance = account["id"], account["balance_cents"]
        if balance != accounts[name]:
            found = f"{balance} cents, its entries say {accounts[name]}"
            yield Finding("a balance is the sum of its entries", name, found)
        if balance < 0 and name != "opening":
            yield Finding("nobody spends what he hasn't", name, f"{balance} cents")
    if total := sum(account["balance_cents"] for account in facts.of("payments", "accounts")):
        yield Finding("money is conserved", "all accounts", f"{total} cents, not 0")


def _ended(facts: _Facts) -> Iterator[Finding]:
    for order in facts.orders.values():
        if order["status"] not in {"CONFIRMED", "CANCELLED"}:
            yield Finding("every order ends", order["id"], f"is {order['status']}")
    for table in ("sagas", "tcc_transactions"):
        for row in facts.of("orders", table):
            if row["state"] not in _ENDED:
                yield Finding("every transaction ends", row["id"], f"{row['name']} is {row['state']}")
    for service in facts.services:
        for branch in facts.of(service, "tcc_branches"):
            if branch["state"] == "TRIED":
                yield Finding("nothing stays reserved", branch["tx"], f"is TRIED at {service}")
        if waiting := len(facts.of(service, "outbox")):
            yield Finding("every event is published", service, f"{waiting} events wait in its outbox")


def _effects(facts: _Facts) -> Iterator[Finding]:
    reservations = {row["order_id"]: row for row in facts.of("inventory", "reservations")}
    payments = {row["order_id"]: row for row in facts.of("payments", "payments")}
    for order_id in (reservations.keys() | payments.keys()) - facts.orders.keys():
        yield Finding("nothing happens without an order", order_id, "has a reservation or a payment")
    for order_id, order in facts.orders.items():
        confirmed = order["status"] == "CONFIRMED"
        wanted = (order["sku"], order["quantity"]) if confirmed else None
        held = reservations.get(order_id)
        holds = (held["sku"], held["quantity"]) if held and held["status"] == "RESERVED" else None
        if holds != wanted:
            rule = "a confirmed order holds its stock, once; a cancelled one nothing"
            yield Finding(rule, order_id, f"{order['status']}, holds {holds}")
        price = order["total_cents"] if confirmed and order["coordination"] != "RESERVE_ONLY" else 0
        paid = payments.get(order_id)
        pays = paid["amount_cents"] if paid and paid["status"] == "CHARGED" else 0
        if pays != price:
            rule = "a confirmed order is paid, once; a cancelled one not"
            yield Finding(rule, order_id, f"{order['status']} for {price} cents, paid {pays}")


def _transfers(facts: _Facts) -> Iterator[Finding]:
    """The ledger against the orders: not what payments has noted, but what it moved."""
    moved: dict[str, Counter[str]] = {}
    kinds: Counter[tuple[str, str, str]] = Counter()
    for entry in facts.of("payments", "entries"):
        if entry["order_id"] is not None:
            moved.setdefault(entry["order_id"], Counter())[entry["account_id"]] += entry["amount_cents"]
            kinds[entry["order_id"], entry["kind"], entry["account_id"]] += 1
    for (order_id, kind, account), times in kinds.items():
        if times > 1:
            yield Finding("every effect happens once", order_id, f"{kind} {times} times on {account}")
    for order_id, accounts in moved.items():
        order = facts.orders.get(order_id)
        total = order["total_cents"] if order and order["status"] == "CONFIRMED" else 0
        expected = {f"user:{order['user_id']}": -total, "shop": total} if order and total else {}
        found = {account: cents for account, cents in accounts.items() if cents}
        if found != expected:
            rule = "what an order moved is what it costs; nothing if cancelled"
            yield Finding(rule, order_id, f"moved {found}, expected {expected}")


def _placed(facts: _Facts) -> Iterator[Finding]:
    """Each confirmed order in one event, whatever number of records; a cancelled one in none."""
    if "user-events" not in facts.records:
        return
    told_of: dict[str, set[str]] = {}
    for record in facts.records["user-events"]:
        event = record.json()
        if event.get("type") == "order_placed":
            told_of.setdefault(event["data"]["order_id"], set()).add(event["event_id"])
    for order_id, order in facts.orders.items():
        events, wanted = len(told_of.get(order_id, ())), int(order["status"] == "CONFIRMED")
        if events != wanted:
            rule = "a confirmed order is told of by one event; a cancelled one by none"
            yield Finding(rule, order_id, f"{order['status']}, {events} events")
    for order_id in told_of.keys() - facts.orders.keys():
        yield Finding("nothing happens without an order", order_id, "is told of in user-events")
    if "audit_log" in facts.services:
        yield from _recorded(facts, told_of)


def _recorded(facts: _Facts, told_of: Mapping[str, set[str]]) -> Iterator[Finding]:
    recorded = Counter(row["event_id"] for row in facts.of("audit_log", "entries"))
    for order_id, event_ids in told_of.items():
        for event_id in event_ids:
            if recorded[event_id] != 1:
                found = f"event {event_id} recorded {recorded[event_id]} times"
                yield Finding("an event has its effect once downstream", order_id, found)


def _choreographed(facts: _Facts) -> Iterator[Finding]:
    """Each step of a choreographed order is told of once, under the order's key, its undoing after it."""
    steps: dict[str, dict[str, set[str]]] = {}
    for topic in _CHOREOGRAPHY:
        for record in facts.records.get(topic, ()):
            event = record.json()
            order_id, kind = event["order_id"], event["type"]
            if record.key != order_id:
                yield Finding("an order's events have its key", order_id, f"{kind} has key {record.key!r}")
            known = steps.setdefault(order_id, {})
            if kind == "ReleaseStock" and "ReserveStock" not in known:
                yield Finding("the order of a key is kept", order_id, "ReleaseStock before ReserveStock")
            known.setdefault(kind, set()).add(event["event_id"])
    for order_id, known in steps.items():
        for kind, ids in known.items():
            if len(ids) > 1:
                yield Finding("every effect happens once", order_id, f"{len(ids)} different events {kind}")
        if order_id not in facts.orders:
            yield Finding("nothing happens without an order", order_id, "has events")


def _told(facts: _Facts) -> Iterator[Finding]:
    for order_id, status in facts.told.items():
        order = facts.orders.get(order_id)
        kept = order and (status == "PENDING" or order["status"] == status)
        if not kept:
            found = f"told {status}, is {order['status'] if order else 'unknown'}"
            yield Finding("what a caller was told stays true", order_id, found)


_RULES = (_stock, _money, _ended, _effects, _transfers, _placed, _choreographed, _told)


def _event_id(record: Record) -> tuple[str, str]:
    event_id: str = record.json()["event_id"]
    return record.topic, event_id
