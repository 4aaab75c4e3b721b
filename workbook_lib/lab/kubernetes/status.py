"""A pod's status from the states of its containers: phase, conditions, containerStatuses. No I/O."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

__all__ = ["ContainerState", "pod_status", "timestamp"]

State = dict[str, dict[str, Any]]


def timestamp(moment: datetime) -> str:
    """As the API writes times: RFC 3339, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class ContainerState:
    """What is known of one container."""

    name: str
    image: str
    phase: Literal["waiting", "running", "terminated"] = "waiting"
    reason: str = "ContainerCreating"
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int = 0
    ready: bool = False
    started: bool = False
    restarts: int = 0
    last: State = field(default_factory=dict)
    """How it ended the last time."""

    def wait(self, reason: str, message: str = "") -> None:
        """It doesn't run, and why."""
        if self.phase == "terminated":
            self.last = self.state()
        self.phase, self.reason, self.message = "waiting", reason, message
        self.ready = self.started = False

    def run(self, at: datetime) -> None:
        """Its process has started."""
        if self.phase == "terminated":
            self.last = self.state()
        self.phase, self.reason, self.message = "running", "", ""
        self.started_at, self.finished_at = at, None
        self.ready = self.started = False

    def end(self, exit_code: int, at: datetime, message: str) -> None:
        """Its process has ended; negative for the signal that ended it."""
        self.phase, self.finished_at, self.exit_code = "terminated", at, exit_code
        self.reason, self.message = ("Completed", "") if exit_code == 0 else ("Error", message)
        self.ready = self.started = False

    def state(self) -> State:
        """As the API has it: `waiting`, `running` or `terminated`."""
        if self.phase == "waiting":
            return {"waiting": _without_nothing(reason=self.reason, message=self.message)}
        started = timestamp(self.started_at) if self.started_at else None
        if self.phase == "running":
            return {"running": _without_nothing(startedAt=started)}
        # A shell's convention, and the kubelet's: 128 + the signal's number.
        number = -self.exit_code if self.exit_code < 0 else None
        code = 128 + number if number else self.exit_code
        ended = _without_nothing(
            reason=self.reason,
            message=self.message,
            startedAt=started,
            finishedAt=timestamp(self.finished_at) if self.finished_at else None,
            signal=number,
        )
        return {"terminated": {"exitCode": code, **ended}}

    def status(self) -> dict[str, Any]:
        """Its entry in `containerStatuses`."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": self.state(),
            "lastState": self.last,
        }

    def said(self) -> str:
        """For people: how it ended."""
        if self.exit_code < 0:
            return f"ended by {signal.Signals(-self.exit_code).name}"
        return f"ended with {self.exit_code}"


def pod_status(
    containers: Sequence[ContainerState],
    *,
    now: datetime,
    started_at: datetime,
    address: str,
    host_address: str,
    restart_policy: str = "Always",
    before: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The whole status. `before` has the conditions as they were: one that stays keeps its time.

    A pod is Ready when all its containers are. It ends (Succeeded, Failed) only when its restart policy lets
    its containers end.
    """
    phase = _phase(containers, restart_policy)
    unready = [each.name for each in containers if not each.ready]
    why = f"containers with unready status: [{' '.join(unready)}]" if unready else ""
    reason = "PodCompleted" if phase == "Succeeded" else "ContainersNotReady" if unready else ""
    conditions: dict[str, tuple[bool, str, str]] = {
        "PodReadyToStartContainers": (True, "", ""),
        "Initialized": (True, "", ""),
        "ContainersReady": (not unready, reason, why),
        "Ready": (not unready, reason, why),
    }
    known = {str(each["type"]): each for each in before}
    status: dict[str, Any] = {
        "phase": phase,
        "conditions": [
            _condition(known.get(kind, {}), kind, now, *rest) for kind, rest in conditions.items()
        ],
        "containerStatuses": [each.status() for each in containers],
        "hostIP": host_address,
        "hostIPs": [{"ip": host_address}],
        "startTime": timestamp(started_at),
    }
    if address:
        # A strategic patch merges this list: an address from before the node's restart would stay in it.
        status |= {"podIP": address, "podIPs": [{"$patch": "replace"}, {"ip": address}]}
    return status


def _phase(containers: Sequence[ContainerState], restart_policy: str) -> str:
    ended = [each for each in containers if each.phase == "terminated"]
    if len(ended) == len(containers) and restart_policy != "Always":
        if all(each.exit_code == 0 for each in ended):
            return "Succeeded"
        if restart_policy == "Never":
            return "Failed"
    never_ran = [each for each in containers if each.phase == "waiting" and not each.last]
    return "Pending" if never_ran else "Running"


def _condition(
    before: Mapping[str, Any], kind: str, now: datetime, holds: bool, reason: str, message: str
) -> dict[str, Any]:
    status = "True" if holds else "False"
    since = before.get("lastTransitionTime") if before.get("status") == status else None
    return {
        "type": kind,
        "status": status,
        "lastTransitionTime": since or timestamp(now),
        # A merge keeps what isn't named: an old reason is taken back by null.
        "reason": reason or None,
        "message": message or None,
    }


def _without_nothing(**values: object) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}
