"""The kit's producer and consumer keep up with aiokafka alone, and the outbox's relay carries its load."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.alone

LEAST_SHARE = 0.85
LEAST_RELAYED = 2000
ATTEMPTS = 3
KINDS = ("send, each awaited", "send many", "receive")


def measured(*arguments: str) -> dict[tuple[str, str], dict]:
    command = [sys.executable, "-m", "benchmarks.messaging", "--json", *arguments]
    done = subprocess.run(command, check=False, timeout=200, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()[-1]
    return {(row["kind"], row["way"]): row for row in json.loads(printed)["rows"]}


@pytest.mark.timeout(700)
def test_the_kit_sends_and_receives_within_15_percent_of_aiokafka_and_relays_2000_events_a_second():
    """With confluent-kafka beside them. The benchmark itself fails when a message isn't acknowledged.

    The machine may be doing something else that meets one way more than the other, so each kind has up to
    three attempts; what is too slow fails them all.
    """
    rows = measured("--rounds", "3", "--messages", "3000")
    assert {kind for kind, way in rows if way == "confluent-kafka"} == {"send many", "receive"}
    figures = {kind: [rows[kind, "kit"]["share"]] for kind in KINDS}
    figures["outbox to Kafka"] = [rows["outbox to Kafka", "kit"]["per_second"]]
    least = dict.fromkeys(KINDS, LEAST_SHARE) | {"outbox to Kafka": LEAST_RELAYED}
    for _ in range(ATTEMPTS - 1):
        slow = [kind for kind, those in figures.items() if max(those) < least[kind]]
        if not slow:
            break
        again = measured("--rounds", "5", "--messages", "3000", "--only", *slow)
        for kind in slow:
            figures[kind].append(again[kind, "kit"]["share" if kind in KINDS else "per_second"])
    assert all(max(those) >= least[kind] for kind, those in figures.items()), figures
