"""Evidence from the running system: traces from Jaeger, Consul instances, Kafka offsets, database rows."""

from workbook_lib.lab.evidence.breakers import BreakerReport, breakers
from workbook_lib.lab.evidence.database import rows
from workbook_lib.lab.evidence.graph import Edge, NodeKind, assert_edges, service_edges
from workbook_lib.lab.evidence.groups import Group, GroupSample, GroupWatch, Member, group_members
from workbook_lib.lab.evidence.history import Finding, History, check_history
from workbook_lib.lab.evidence.instances import InstanceSample, InstanceWatch
from workbook_lib.lab.evidence.jaeger import Jaeger
from workbook_lib.lab.evidence.junit import CaseResult, junit
from workbook_lib.lab.evidence.kafka import PartitionLag, group_lag, topic_offsets
from workbook_lib.lab.evidence.logs import log_records, logs
from workbook_lib.lab.evidence.metrics import metric
from workbook_lib.lab.evidence.polling import EvidenceError, EvidenceTimeout, eventually
from workbook_lib.lab.evidence.processes import ProcessSample, ProcessWatch
from workbook_lib.lab.evidence.profile import HotSpot, hot_spots
from workbook_lib.lab.evidence.prometheus import Exemplar, Prometheus, Reading, Series
from workbook_lib.lab.evidence.registry import dns_instances, healthy_instances
from workbook_lib.lab.evidence.self_time import SelfTime, self_times
from workbook_lib.lab.evidence.spans import (
    AttributeValue,
    Hop,
    Protocol,
    Span,
    SpanEvent,
    SpanKind,
    SpanLink,
    Trace,
)
from workbook_lib.lab.evidence.spending import Spending, memory_bytes
from workbook_lib.lab.evidence.topics import Record, topic_records
from workbook_lib.lab.evidence.transitions import Transition, saga_transitions

__all__ = [
    "AttributeValue",
    "BreakerReport",
    "CaseResult",
    "Edge",
    "EvidenceError",
    "EvidenceTimeout",
    "Exemplar",
    "Finding",
    "Group",
    "GroupSample",
    "GroupWatch",
    "History",
    "Hop",
    "HotSpot",
    "InstanceSample",
    "InstanceWatch",
    "Jaeger",
    "Member",
    "NodeKind",
    "PartitionLag",
    "ProcessSample",
    "ProcessWatch",
    "Prometheus",
    "Protocol",
    "Reading",
    "Record",
    "SelfTime",
    "Series",
    "Span",
    "SpanEvent",
    "SpanKind",
    "SpanLink",
    "Spending",
    "Trace",
    "Transition",
    "assert_edges",
    "breakers",
    "check_history",
    "dns_instances",
    "eventually",
    "group_lag",
    "group_members",
    "healthy_instances",
    "hot_spots",
    "junit",
    "log_records",
    "logs",
    "memory_bytes",
    "metric",
    "rows",
    "saga_transitions",
    "self_times",
    "service_edges",
    "topic_offsets",
    "topic_records",
]
