"""Kafka topics: their names, their number of partitions, and what their messages are keyed by."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["PARTITIONS", "REPORT_JOBS", "USER_EVENTS"]

USER_EVENTS: Final = "user-events"
"""`events.UserEvent`, keyed by user id: what happens to one user stays in order."""

REPORT_JOBS: Final = "report-jobs"
"""`events.ReportJob`, keyed by report id. RabbitMQ's queue for the same jobs has this name, too."""

PARTITIONS: Final[Mapping[str, int]] = MappingProxyType({USER_EVENTS: 6, REPORT_JOBS: 2})
