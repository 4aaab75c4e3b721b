"""Healthy instances are those that a real Consul hands out."""

import uuid

import pytest

from workbook_lib.kit.consul import Consul, HttpCheck, Registration
from workbook_lib.lab.evidence import EvidenceError, dns_instances, eventually, healthy_instances


async def _has(consul, service, count):
    """Whether the catalog has so many, well or not: the agent tells it a moment after an answer."""
    return len(await consul.catalog(service)) == count


async def test_only_instances_whose_checks_pass_are_told(consul_url: str):
    service = f"evidence-{uuid.uuid4().hex[:8]}"
    sick = HttpCheck(url="http://127.0.0.1:9/health")
    async with Consul(consul_url, timeout_seconds=20) as consul:
        await consul.register(
            Registration(id=f"{service}-1", service=service, address="127.0.0.1", port=1001)
        )
        await consul.register(
            Registration(id=f"{service}-2", service=service, address="127.0.0.1", port=1002, check=sick)
        )
        await eventually(lambda: _has(consul, service, 2))
        found = await healthy_instances(consul_url, service)
        await consul.deregister(f"{service}-1")
        await consul.deregister(f"{service}-2")
        assert [(instance.id, instance.port) for instance in found] == [(f"{service}-1", 1001)]
        await eventually(lambda: _has(consul, service, 0))
        assert await healthy_instances(consul_url, service) == []


async def test_dns_tells_the_same_instances_as_http_and_more_than_three(
    consul_url: str, consul_dns_address: str
):
    """Over UDP there would be three."""
    service = f"evidence-{uuid.uuid4().hex[:8]}"
    async with Consul(consul_url, timeout_seconds=20) as consul:
        for number in range(5):
            await consul.register(
                Registration(
                    id=f"{service}-{number}", service=service, address="127.0.0.1", port=1001 + number
                )
            )
        sick = HttpCheck(url="http://127.0.0.1:9/health")
        await consul.register(
            Registration(id=f"{service}-9", service=service, address="127.0.0.1", port=1009, check=sick)
        )
        await eventually(lambda: _has(consul, service, 6))
        by_http = [(each.address, each.port) for each in await healthy_instances(consul_url, service)]
        assert len(by_http) == 5
        assert await eventually(lambda: dns_instances(consul_dns_address, service)) == by_http
        for number in (0, 1, 2, 3, 4, 9):
            await consul.deregister(f"{service}-{number}")


async def test_a_dns_server_that_is_not_there_is_an_evidence_error():
    with pytest.raises(EvidenceError, match=r"Consul's DNS at 127\.0\.0\.1:1"):
        await dns_instances("127.0.0.1:1", "any")
