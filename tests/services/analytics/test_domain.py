"""An event belongs to the window in which it happened, and is late when that is closed for its partition."""

from datetime import UTC, datetime, timedelta

import pytest

from services.analytics.domain import Windows
from workbook_lib.kit.errors import InvalidRequest

WINDOWS = Windows(length_seconds=10, lateness_seconds=5, ahead_seconds=60)
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
START = int(NOON.timestamp())


@pytest.mark.parametrize(("seconds", "window"), [(0, 0), (9.999, 0), (10, 10), (25, 20)])
def test_a_window_holds_its_start_and_not_its_end(seconds, window):
    assert WINDOWS.start_of(NOON + timedelta(seconds=seconds), NOON) == START + window


def test_windows_are_the_same_in_every_time_zone():
    tokyo = datetime.fromisoformat("2026-11-25T21:00:03+09:00")
    assert WINDOWS.start_of(tokyo, NOON) == START


@pytest.mark.parametrize(
    "at",
    ["1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-11-25T12:01:00.001Z", "9999-12-31T00:00:00Z"],
)
def test_a_time_that_only_a_wrong_clock_can_tell_is_refused(at):
    with pytest.raises(InvalidRequest):
        WINDOWS.start_of(datetime.fromisoformat(at), NOON)


@pytest.mark.parametrize(
    ("watermark", "late"), [(None, False), (START + 14.9, False), (START + 15, True), (START + 99, True)]
)
def test_a_window_stays_open_for_the_lateness_after_its_end(watermark, late):
    assert WINDOWS.is_late(START, watermark) is late


def test_a_new_window_is_empty():
    window = WINDOWS.window(START)
    assert (window.start, window.end) == (NOON, NOON + timedelta(seconds=10))
    assert (window.counts, window.late) == ({}, {})
