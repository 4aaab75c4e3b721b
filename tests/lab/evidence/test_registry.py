"""Healthy instances are those that a real Consul hands out."""

import uuid

from workbook_lib.kit.consul import Consul, HttpCheck, Registration
from workbook_lib.lab.evidence import healthy_instances


async def test_only_instances_whose_checks_pass_are_told(consul_url: str):
    service = f"evidence-{uuid.uuid4().hex[:8]}"
    sick = HttpCheck(url="http://127.0.0.1:9/health")
    async with Consul(consul_url) as consul:
        await consul.register(
            Registration(id=f"{service}-1", service=service, address="127.0.0.1", port=1001)
        )
        await consul.register(
            Registration(id=f"{service}-2", service=service, address="127.0.0.1", port=1002, check=sick)
        )
        found = await healthy_instances(consul_url, service)
        await consul.deregister(f"{service}-1")
        await consul.deregister(f"{service}-2")
        assert [(instance.id, instance.port) for instance in found] == [(f"{service}-1", 1001)]
        assert await healthy_instances(consul_url, service) == []
