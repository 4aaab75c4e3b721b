"""An environment without the variables of services."""

import os

import pytest

from workbook_lib.kit.settings import explain

VARIABLES = ("CONSUL_", "SERVICE_", "USERS_", "DATABASE_", "REDIS_", "KAFKA_", "OTEL_", "CHECK_", "DB_")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in os.environ:
        if name.startswith(VARIABLES):
            monkeypatch.delenv(name)


@pytest.fixture
def origin():
    """What `explain` says of one setting."""
    return lambda settings, name: next(each for each in explain(settings) if each.name == name)
