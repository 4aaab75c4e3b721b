"""Events through Kafka: a producer that loses nothing, a consumer that parks what it can't handle."""

from workbook_lib.kit.messaging.consumer import Consumer
from workbook_lib.kit.messaging.model import Handler, Headers, Message, MessagingError, Position, header
from workbook_lib.kit.messaging.producer import Producer
from workbook_lib.kit.messaging.topics import Topics, dead_letter_topic, ensure_topics

__all__ = [
    "Consumer",
    "Handler",
    "Headers",
    "Message",
    "MessagingError",
    "Position",
    "Producer",
    "Topics",
    "dead_letter_topic",
    "ensure_topics",
    "header",
]
