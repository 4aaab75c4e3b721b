"""A pod's phase, conditions and container states follow from what its processes do."""

from datetime import UTC, datetime, timedelta

import pytest

from workbook_lib.lab.kubernetes.status import ContainerState, pod_status, timestamp

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=5)


def _state():
    return ContainerState("web", "microservices-workbook:dev")


def _running():
    state = _state()
    state.run(NOW)
    return state


def _ended(code):
    state = _running()
    state.end(code, LATER, "boom")
    return state


def _status(*states, policy="Always", before=(), now=NOW):
    return pod_status(
        states,
        now=now,
        started_at=NOW,
        address="10.244.0.2",
        host_address="127.0.0.1",
        restart_policy=policy,
        before=before,
    )


@pytest.mark.parametrize(
    ("states", "policy", "phase"),
    [
        ([_state()], "Always", "Pending"),
        ([_running()], "Always", "Running"),
        ([_running(), _state()], "Always", "Pending"),
        ([_ended(0)], "Always", "Running"),
        ([_ended(0)], "Never", "Succeeded"),
        ([_ended(0)], "OnFailure", "Succeeded"),
        ([_ended(1)], "Never", "Failed"),
        ([_ended(1)], "OnFailure", "Running"),
    ],
)
def test_the_phase(states, policy, phase):
    assert _status(*states, policy=policy)["phase"] == phase


def test_a_pod_is_ready_when_all_its_containers_are_and_since_when_stays():
    first, second = _running(), _running()
    first.ready = True
    before = _status(first, second)
    ready = {each["type"]: each for each in before["conditions"]}["Ready"]
    assert (ready["status"], ready["message"]) == ("False", "containers with unready status: [web]")
    second.ready = True
    after = _status(first, second, before=before["conditions"], now=LATER)
    times = {each["type"]: each["lastTransitionTime"] for each in after["conditions"]}
    assert times["Ready"] == timestamp(LATER)
    assert times["Initialized"] == timestamp(NOW)
    assert next(each["message"] for each in after["conditions"] if each["type"] == "Ready") is None


def test_an_end_by_a_signal_has_the_shells_code_and_is_remembered_after_a_restart():
    state = _ended(-9)
    ended = state.state()["terminated"]
    assert (ended["exitCode"], ended["signal"], ended["reason"]) == (137, 9, "Error")
    assert state.said() == "ended by SIGKILL"
    state.wait("CrashLoopBackOff", "back-off 1s")
    status = state.status()
    assert status["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 1s"}}
    assert status["lastState"]["terminated"]["exitCode"] == 137
    assert _status(state)["phase"] == "Running"
    state.run(LATER)
    assert not state.ready
    assert state.status()["lastState"]["terminated"]["exitCode"] == 137


def test_times_are_whole_seconds_of_utc():
    assert timestamp(NOW.replace(microsecond=5)) == "2026-05-01T12:00:00Z"
