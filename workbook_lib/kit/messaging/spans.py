"""What the spans of a message say, after OpenTelemetry's conventions for messaging and Kafka."""

__all__ = ["span_attributes"]


def span_attributes(operation: str, topic: str, key: str | None) -> dict[str, str | int]:
    """The attributes that sending and processing have in common; of a key only what is text is shown."""
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
    }
    if key is not None:
        attributes["messaging.kafka.message.key"] = key.encode(errors="replace").decode()
    return attributes
