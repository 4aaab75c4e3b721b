"""Named places at which a test makes a process die, stand still or fail: the failpoints of FreeBSD's fail(9).

Code that must survive a crash between two steps says so with `failpoint("outbox.published")` between them. It
counts the pass and does nothing else, until somebody arms that name: for a whole run by the setting
`failpoints` (SERVICE_FAILPOINTS="outbox.published=kill;order-saga.charge.stored=stop*3"), or in a running
service by its operator routes (`kit.service.fault_routes`).
"""

import os
import signal
from typing import Literal, NamedTuple, get_args

from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.logs import get_logger

__all__ = ["Action", "InjectedFault", "arm", "arm_all", "armed", "disarm", "failpoint", "parse", "passed"]

Action = Literal["kill", "stop", "error"]
"""kill: SIGKILL to the process itself; stop: SIGSTOP, until somebody sends SIGCONT; error: InjectedFault."""

_log = get_logger(__name__)


class InjectedFault(Unavailable):
    """A failpoint that was armed to fail has been reached."""


class _Trap(NamedTuple):
    action: Action
    at_pass: int


_passes: dict[str, int] = {}
_traps: dict[str, _Trap] = {}


def failpoint(name: str) -> None:
    """Count that the process has come to `name`; raises InjectedFault, stops or dies there when it is armed.

    `name` is a constant of the code: there are only so many to count.
    """
    _passes[name] = _passes.pop(name, 0) + 1  # to the end: they are listed in the order of their last pass
    if _traps:
        _spring(name)


def arm(name: str, action: Action, *, count: int = 1) -> None:
    """Act at the `count`-th pass of `name` from now on, once. A name that is armed already is armed anew.

    Raises ValueError for a count below 1.
    """
    if count < 1:
        raise ValueError(f"{name}: the {count}th pass is none")
    _traps[name] = _Trap(action, _passes.get(name, 0) + count)


def arm_all(text: str) -> None:
    """Arm what `text` names, as `parse` reads it."""
    for name, action, count in parse(text):
        arm(name, action, count=count)


def disarm(name: str) -> None:
    """Let `name` pass again; harmless when it isn't armed."""
    _traps.pop(name, None)


def passed() -> dict[str, int]:
    """How often the process has come to each failpoint, in the order of the last pass."""
    return dict(_passes)


def armed() -> dict[str, str]:
    """What waits at which failpoint, as `parse` reads it: `kill`, or `kill*3` for the third pass from now."""
    return {name: _written(trap, trap.at_pass - _passes.get(name, 0)) for name, trap in _traps.items()}


def parse(text: str) -> list[tuple[str, Action, int]]:
    """Name, action and count of each part of `name=action;name=action*count`. Raises ValueError."""
    return [_parsed(part.strip()) for part in text.split(";") if part.strip()]


def _parsed(part: str) -> tuple[str, Action, int]:
    name, _, what = part.partition("=")
    action, star, count = what.strip().partition("*")
    if not name.strip() or (star and not (count.isdecimal() and int(count))):
        raise ValueError(f"{part!r} isn't name=action or name=action*count")
    for known in get_args(Action):
        if action == known:
            return name.strip(), known, int(count) if star else 1
    raise ValueError(f"{part!r}: the action is one of {', '.join(get_args(Action))}")


def _written(trap: _Trap, count: int) -> str:
    return trap.action if count == 1 else f"{trap.action}*{count}"


def _spring(name: str) -> None:
    trap = _traps.get(name)
    if trap is None or _passes[name] < trap.at_pass:
        return
    del _traps[name]  # before it acts: who was stopped and goes on must not be stopped again
    _log.warning("failpoint reached", failpoint=name, action=trap.action)
    match trap.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "error":
            raise InjectedFault(f"failpoint {name}")
