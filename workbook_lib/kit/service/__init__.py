"""The service factory: an app with errors, health, metrics, logs and tracing, and a process that starts and stops well."""

from workbook_lib.kit.service.app import Service
from workbook_lib.kit.service.resources import Resource
from workbook_lib.kit.service.serving import main, serve

__all__ = ["Resource", "Service", "main", "serve"]
