"""The service factory: an app with its whole edge, and a process that starts, drains and ends well."""

from workbook_lib.kit.service.app import Service
from workbook_lib.kit.service.openapi import error_answers
from workbook_lib.kit.service.resources import Resource
from workbook_lib.kit.service.serving import main, serve

__all__ = ["Resource", "Service", "error_answers", "main", "serve"]
