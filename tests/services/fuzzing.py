"""Schemathesis over one service's OpenAPI document: every operation, with data that fits and that doesn't."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.version import SCHEMATHESIS_VERSION
from schemathesis.engine import events, from_schema
from schemathesis.python.asgi import shutdown_lifespans

assert SCHEMATHESIS_VERSION.startswith("4.")

# What a service may answer to data that fits its document: also that it exists already, that it has changed
# meanwhile, and that no such form of an answer is there.
_ACCEPTED = ["2xx", "304", "401", "403", "404", "406", "409", "412", "429"]
_CONFIG: dict[str, Any] = {
    "seed": 20261125,
    "workers": 1,
    "continue-on-failure": True,
    "generation": {
        "max-examples": 6,
        "deterministic": True,
        "no-shrink": True,
        "database": "none",
        "allow-extra-parameters": False,  # links gather parameters on their way; to ignore them is no fault
    },
    "phases": {"stateful": {"generation": {"max-examples": 4}}},
    "checks": {
        # 5xx documents faults; it allows none.
        "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx"]},
        "positive_data_acceptance": {"expected-statuses": _ACCEPTED},
    },
}


@dataclass
class Fuzzed:
    """What came of it."""

    cases: Counter[str] = field(default_factory=Counter)
    """How many requests were sent, by operation."""
    failures: dict[str, str] = field(default_factory=dict)
    """By operation and check, what is wrong and the first command that shows it."""


class Known(NamedTuple):
    """What a document can't tell of its operations, by their names."""

    stricter: Sequence[str] = ()
    """They have further rules: what fits the document may be refused with a 400 or 415."""
    liberal: Sequence[str] = ()
    """They read more than the document promises."""


NOTHING = Known()


def fuzz_app(app: Any, known: Known = NOTHING) -> Fuzzed:
    """Fuzz an app in this process; its lifespan is run."""
    try:
        return _fuzzed(schemathesis.openapi.from_asgi("/openapi.json", app, config=_config(known)))
    finally:
        shutdown_lifespans()


def fuzz_url(url: str, known: Known = NOTHING) -> Fuzzed:
    """Fuzz a service that runs at `url`."""
    return _fuzzed(schemathesis.openapi.from_url(f"{url}/openapi.json", config=_config(known)))


def _config(known: Known) -> SchemathesisConfig:
    refusing = {"positive_data_acceptance": {"expected-statuses": [*_ACCEPTED, "400", "415"]}}
    accepting = {"negative_data_rejection": {"enabled": False}}
    operations = [
        {"include-name": list(names), "checks": checks}
        for names, checks in ((known.stricter, refusing), (known.liberal, accepting))
        if names
    ]
    return SchemathesisConfig.from_dict(_CONFIG | {"operations": operations})


def _fuzzed(schema: schemathesis.BaseSchema) -> Fuzzed:
    result = Fuzzed()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            for case in event.recorder.cases.values():
                result.cases[case.value.operation.label] += 1
            for place, failure in _failures(event):
                result.failures.setdefault(place, failure)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            error = getattr(event, "value", None) or getattr(event, "exception", None)
            result.failures[f"{type(event).__name__}: {getattr(event, 'label', '')}"] = repr(error)
    return result


def _failures(event: events.ScenarioFinished) -> Iterator[tuple[str, str]]:
    for case_id, checks in event.recorder.checks.items():
        operation = event.recorder.cases[case_id].value.operation.label
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                said = f"{failure.message}\n{check.failure_info.code_sample}"
                yield f"{operation}: {check.name}", said[:2000]
