"""Consul's HTTP API: registration, health, catalog, key/value store, watches; typed and bounded."""

from workbook_lib.kit.consul.client import Consul
from workbook_lib.kit.consul.model import (
    Answer,
    ConsulDenied,
    ConsulError,
    HttpCheck,
    Instance,
    KeyValue,
    Registration,
)
from workbook_lib.kit.consul.registering import registered
from workbook_lib.kit.consul.watch import watch

__all__ = [
    "Answer",
    "Consul",
    "ConsulDenied",
    "ConsulError",
    "HttpCheck",
    "Instance",
    "KeyValue",
    "Registration",
    "registered",
    "watch",
]
