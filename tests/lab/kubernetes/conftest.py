"""The session's control plane with a process node, and namespaces that go with their test."""

import asyncio
import uuid

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace

from workbook_lib.lab.kubernetes.client import client
from workbook_lib.lab.kubernetes.process_node import start_node


@pytest.fixture(scope="session")
def node(cluster):
    """The session's process node."""
    return asyncio.run(start_node(cluster))


@pytest.fixture
async def namespace(cluster, node):
    """A new namespace on that cluster; the pods in it end with the test."""
    del node
    name = f"test-{uuid.uuid4().hex[:8]}"
    async with client(cluster) as api:
        await api.create(Namespace(metadata=ObjectMeta(name=name)))
        yield name
        await api.delete(Namespace, name)
