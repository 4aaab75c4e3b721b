"""Tumbling windows of event time: an event counts when it happened, not when it came.

After Akidau et al., "The Dataflow Model" (2015). The watermark is the newest event time of a partition: its
order is all that Kafka promises, so a replay finds the same events late, however partitions are interleaved.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import floor

from workbook_lib.kit.errors import InvalidRequest

__all__ = ["Window", "Windows"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Window:
    """Events by type: those that were counted, and those that came when the window was closed already."""

    start: datetime
    end: datetime
    counts: dict[str, int] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Windows:
    """Windows of `length_seconds` that stay open for `lateness_seconds` after their end, by event time."""

    length_seconds: int
    lateness_seconds: float
    ahead_seconds: float

    def start_of(self, at: datetime, now: datetime) -> int:
        """The start of the window that holds `at`, in seconds since 1970: its own, not the next one's.

        Raises InvalidRequest for a time that only a wrong clock can tell, before 1970 or further ahead of
        `now` than is allowed: one such event would close the windows of everybody.
        """
        if at < _EPOCH:
            raise InvalidRequest("an event from before 1970")
        if at > now + timedelta(seconds=self.ahead_seconds):
            raise InvalidRequest(f"an event from the future: {at.isoformat()}")
        return floor(at.timestamp() / self.length_seconds) * self.length_seconds

    def is_late(self, start: int, watermark: float | None) -> bool:
        """Whether the window that begins at `start` is closed for a partition with this watermark."""
        closes = start + self.length_seconds + self.lateness_seconds
        return watermark is not None and closes <= watermark

    def window(self, start: int) -> Window:
        """An empty one."""
        begin = datetime.fromtimestamp(start, UTC)
        return Window(begin, begin + timedelta(seconds=self.length_seconds))
