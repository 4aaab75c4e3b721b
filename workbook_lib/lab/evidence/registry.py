"""Which instances of a service Consul hands out: over HTTP, and by DNS."""

from __future__ import annotations

from workbook_lib.kit.consul import Consul, Instance
from workbook_lib.lab.evidence.polling import EvidenceError

__all__ = ["dns_instances", "healthy_instances"]

TIMEOUT_SECONDS = 2.0
CONSUL_SECONDS = 10.0  # who only looks can wait longer than a service


async def healthy_instances(consul_url: str, service: str) -> list[Instance]:
    """The instances whose checks pass now: a consistent read, so never a stale list.

    Raises ConsulError when Consul doesn't answer.
    """
    async with Consul(consul_url, timeout_seconds=CONSUL_SECONDS) as consul:
        return (await consul.health(service, passing=True, consistent=True)).value


async def dns_instances(
    address: str, service: str, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> list[tuple[str, int]]:
    """Address and port of each instance that Consul's DNS server at `address` (host:port) tells, sorted.

    One SRV question over TCP: over UDP Consul tells three at most. Raises EvidenceError when it doesn't
    answer.
    """
    # Here, for the chapters that ask Consul over HTTP only.
    import dns.asyncquery
    import dns.exception
    import dns.message
    import dns.rdatatype

    host, _, port = address.rpartition(":")
    question = dns.message.make_query(f"{service}.service.consul.", dns.rdatatype.SRV)
    try:
        answer = await dns.asyncquery.tcp(question, host, timeout_seconds, int(port))
    except (OSError, EOFError, dns.exception.DNSException) as error:
        raise EvidenceError(f"Consul's DNS at {address}: {error or type(error).__name__}") from error
    addresses = {
        records.name: record.address
        for records in answer.additional
        for record in records
        if record.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA)
    }
    return sorted((addresses[record.target], record.port) for records in answer.answer for record in records)
