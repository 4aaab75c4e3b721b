"""What goes to Consul and what comes back, as frozen values."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar
from urllib.parse import urlsplit

from workbook_lib.kit.errors import Unavailable

__all__ = ["Answer", "ConsulDenied", "ConsulError", "HttpCheck", "Instance", "KeyValue", "Registration"]

T = TypeVar("T")


class ConsulError(Unavailable):
    """Consul can't be reached, answered too late, or refused the request."""


class ConsulDenied(ConsulError):
    """Consul's ACLs refused the request (403); `reason` names the permission and the token's accessor."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A value read from Consul, with the index (X-Consul-Index) that a blocking query continues from."""

    value: T
    index: int


@dataclass(frozen=True, slots=True)
class Instance:
    """One running copy of a service and where it listens."""

    id: str
    service: str
    address: str
    port: int
    tags: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    weight: int = 1
    """Its share of the calls, next to the other instances' weights; DNS tells it in SRV records."""

    @property
    def url(self) -> str:
        """The base URL of its HTTP side."""
        return f"http://{self._host}:{self.port}"

    @property
    def rpc_target(self) -> str:
        """host:port of its gRPC side: the port of `meta["grpc_port"]`, or its only port."""
        return f"{self._host}:{self.meta.get('grpc_port', self.port)}"

    @property
    def _host(self) -> str:
        return f"[{self.address}]" if ":" in self.address else self.address

    @classmethod
    def at(cls, url: str, *, service: str = "") -> Self:
        """The instance behind a fixed address, given as a URL or as host:port."""
        parts = urlsplit(url if "//" in url else f"//{url}")
        if not parts.hostname:
            raise ValueError(f"no host in the address {url!r}; write http://host:port or host:port")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(id=url, service=service, address=parts.hostname, port=port)

    @classmethod
    def from_health(cls, entry: Mapping[str, Any]) -> Self:
        """An entry of /v1/health/service. A service address, where there is one, wins over its node's."""
        service = entry["Service"]
        return cls(
            id=service["ID"],
            service=service["Service"],
            address=service.get("Address") or entry["Node"]["Address"],
            port=service["Port"],
            tags=tuple(service.get("Tags") or ()),
            meta=service.get("Meta") or {},
            weight=(service.get("Weights") or {}).get("Passing", 1),
        )

    @classmethod
    def from_catalog(cls, entry: Mapping[str, Any]) -> Self:
        """An entry of /v1/catalog/service. A service address, where there is one, wins over its node's."""
        return cls(
            id=entry["ServiceID"],
            service=entry["ServiceName"],
            address=entry.get("ServiceAddress") or entry["Address"],
            port=entry["ServicePort"],
            tags=tuple(entry.get("ServiceTags") or ()),
            meta=entry.get("ServiceMeta") or {},
            weight=(entry.get("ServiceWeights") or {}).get("Passing", 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCheck:
    """A health check that Consul's agent makes by itself: GET `url`, where any 2xx passes.

    A crashed instance leaves the *passing* list after about one `interval_seconds`; its registration goes
    only after `deregister_critical_after_seconds`, which Consul raises to a minute at least and looks at
    every 30 s. The first check comes at a random moment of the first interval; until then the instance is
    critical, or passing if `passing_at_first`: for one that registers when it is ready.
    """

    url: str
    interval_seconds: float = 10.0
    timeout_seconds: float = 2.0
    deregister_critical_after_seconds: float = 60.0
    passing_at_first: bool = False

    def to_json(self) -> dict[str, Any]:
        """The fields as Consul's API names them."""
        return {
            "HTTP": self.url,
            "Notes": f"GET {self.url}",  # Consul tells nobody what it asks, but for a check's notes
            "Interval": go_duration(self.interval_seconds),
            "Timeout": go_duration(self.timeout_seconds),
            "DeregisterCriticalServiceAfter": go_duration(self.deregister_critical_after_seconds),
            "Status": "passing" if self.passing_at_first else "critical",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One instance as it announces itself. Without a check it counts as passing until it is deregistered."""

    id: str
    service: str
    address: str
    port: int
    tags: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    check: HttpCheck | None = None
    weight: int | None = None
    """1 to 65535; None for Consul's own, 1."""

    def to_json(self) -> dict[str, Any]:
        """The fields as Consul's API names them."""
        body: dict[str, Any] = {
            "ID": self.id,
            "Name": self.service,
            "Address": self.address,
            "Port": self.port,
            "Tags": list(self.tags),
            "Meta": dict(self.meta),
        }
        if self.check is not None:
            body["Check"] = self.check.to_json()
        if self.weight is not None:
            body["Weights"] = weights(self.weight)
        return body


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One entry of the key/value store; `modify_index` is what a check-and-set compares."""

    key: str
    value: bytes
    modify_index: int

    @property
    def text(self) -> str:
        """The value as UTF-8 text."""
        return self.value.decode()

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """An entry of /v1/kv."""
        return cls(entry["Key"], base64.b64decode(entry["Value"] or ""), entry["ModifyIndex"])


STATUSES = ("passing", "warning", "critical")
"""Of a check, from good to bad."""


def status_of(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Of an entry of /v1/health/service: the instance's id, and the worst status of its checks."""
    statuses = [check["Status"] for check in entry["Checks"]]
    return entry["Service"]["ID"], max(statuses, key=STATUSES.index, default="passing")


def weights(weight: int) -> dict[str, int]:
    """An instance's weight as Consul's API names it; one that is *warning* counts least, as by default."""
    return {"Passing": weight, "Warning": 1}


def go_duration(seconds: float) -> str:
    """Seconds in the notation that Consul reads, with milliseconds kept."""
    return f"{seconds:.3f}s"
