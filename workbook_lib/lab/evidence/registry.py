"""Which instances of a service Consul hands out."""

from __future__ import annotations

from workbook_lib.kit.consul import Consul, Instance

__all__ = ["healthy_instances"]


async def healthy_instances(consul_url: str, service: str) -> list[Instance]:
    """The instances whose checks pass now: a consistent read, so never a stale list.

    Raises ConsulError when Consul doesn't answer.
    """
    async with Consul(consul_url) as consul:
        return (await consul.health(service, passing=True, consistent=True)).value
