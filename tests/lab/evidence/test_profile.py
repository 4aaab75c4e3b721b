"""Hot spots are found wherever they were called from."""

from workbook_lib.lab.evidence import hot_spots


def frame(function: str, seconds: float, *children: dict) -> dict:
    return {"function": function, "file": "a.py", "line": 1, "seconds": seconds, "children": list(children)}


def profile(root: dict | None) -> dict:
    return {"seconds": 1.0, "cpu_seconds": 1.0, "samples": 1000, "root": root}


def test_time_of_a_function_is_summed_over_its_callers():
    root = frame("run", 1.0, frame("a", 0.5, frame("hash", 0.4)), frame("b", 0.4, frame("hash", 0.3)))
    first, second, *_ = hot_spots(profile(root))
    assert (first.function, first.place) == ("hash", "a.py:1")
    assert round(first.self_share, 3) == round(first.total_share, 3) == 0.7
    assert second.function in ("run", "a", "b")
    assert round(second.self_share, 3) == 0.1


def test_a_recursive_function_takes_no_longer_than_its_outermost_call():
    root = frame("run", 1.0, frame("walk", 0.9, frame("walk", 0.6, frame("walk", 0.3))))
    (walk, *_) = hot_spots(profile(root))
    assert (round(walk.self_share, 3), round(walk.total_share, 3)) == (0.9, 0.9)


def test_only_as_many_as_asked_for_and_none_of_an_empty_profile():
    root = frame("run", 1.0, frame("a", 0.5), frame("b", 0.4))
    assert [spot.function for spot in hot_spots(profile(root), 2)] == ["a", "b"]
    assert hot_spots(profile(None)) == []
