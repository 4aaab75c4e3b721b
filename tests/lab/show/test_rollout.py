"""Pictures of a rollout and of an autoscaler say what was recorded."""

import pytest

from workbook_lib.lab import show
from workbook_lib.lab.kubernetes.moments import AutoscalerMoment, PodMoment, Recording
from workbook_lib.lab.traffic import LoadResult, Sample


def _recording():
    moments = [
        PodMoment(0.0, "web-old-aaaaa", "web-old", "Ready"),
        PodMoment(5.0, "web-new-bbbbb", "web-new", "Ready"),
        PodMoment(6.0, "web-old-aaaaa", "web-old", "Terminating"),
    ]
    return Recording(pods=moments)


def test_a_rollout_tells_ready_pods_and_answers_by_replica_set():
    samples = [Sample(at / 10, 1.0, 200, "web-old-aaaaa" if at < 40 else "web-new-bbbbb") for at in range(90)]
    load = LoadResult("10 due a second", 9.0, tuple(samples), {})
    picture = show.rollout(_recording(), load, load_at=1.0, marks={"new version": 3.0})
    assert "90 requests, 0 failed" in picture.text
    assert "web-old: 40 answers; ready pods: 0 at -1.0 s, 1 at -1.0 s, 0 at 5.0 s" in picture.text
    assert "web-new: 50 answers" in picture.text
    assert picture.png().startswith(b"\x89PNG")


def test_without_requests_there_is_nothing_to_draw():
    with pytest.raises(ValueError, match="no request"):
        show.rollout(_recording(), LoadResult("none", 0.0, (), {}))


def test_an_autoscaler_tells_what_it_measured_and_wanted():
    moments = [
        AutoscalerMoment(0.0, "web", 1, 1, None, 70),
        AutoscalerMoment(2.0, "web", 1, 3, 210, 70),
        AutoscalerMoment(8.0, "web", 3, 3, 65, 70),
    ]
    picture = show.autoscaling(moments)
    assert picture.text.splitlines()[0].strip() == "0.0 s  210 % of 70 %, 1 pods, 3 wanted"
    assert picture.png().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="measured nothing"):
        show.autoscaling(moments[:1])
