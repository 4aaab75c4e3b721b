"""Events through Kafka: stored before they are sent, sent without loss, received with one effect.

A consumer parks what it can't handle; an outbox parks what Kafka refuses.
"""

from workbook_lib.kit.messaging.consumer import Consumer
from workbook_lib.kit.messaging.inbox import Inbox, event_id_of
from workbook_lib.kit.messaging.model import (
    EVENT_ID,
    Handler,
    Headers,
    Message,
    MessageRefused,
    MessagingError,
    Outgoing,
    Position,
    header,
)
from workbook_lib.kit.messaging.outbox import Outbox, ParkedEvent
from workbook_lib.kit.messaging.producer import Producer
from workbook_lib.kit.messaging.relay import OutboxRelay
from workbook_lib.kit.messaging.topics import Topics, dead_letter_topic, ensure_topics

__all__ = [
    "EVENT_ID",
    "Consumer",
    "Handler",
    "Headers",
    "Inbox",
    "Message",
    "MessageRefused",
    "MessagingError",
    "Outbox",
    "OutboxRelay",
    "Outgoing",
    "ParkedEvent",
    "Position",
    "Producer",
    "Topics",
    "dead_letter_topic",
    "ensure_topics",
    "event_id_of",
    "header",
]
