"""Kafka as a folder that starts in a second: jars, formatted storage, an ahead-of-time cache."""

from __future__ import annotations

from collections.abc import Callable

from workbook_lib.lab.provision.model import Found, ProvisionError, Report

__all__ = ["find_kafka", "kafka_java_command", "provision_kafka"]


def find_kafka() -> Found | None:
    """Kafka's prepared folder in the cache, or None unless it is whole."""
    return None


def provision_kafka(report: Report, *, provision_java: Callable[[], Found]) -> Found:
    """Fetch Kafka's jars, format a storage template and make the ahead-of-time cache."""
    raise ProvisionError("Kafka: not yet.")


def kafka_java_command(found: Found) -> list[str]:
    """The command that starts Kafka, less its one argument, the server.properties file."""
    raise ProvisionError("Kafka: not yet.")
