"""Separate environments on one Consul: a policy and a token for each, made with the management token."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from workbook_lib.lab.errors import LabError

__all__ = ["ENVIRONMENTS", "Access", "pipeline_token", "separate_environments"]

ENVIRONMENTS = ("dev", "staging", "prod")
CONFIG_PREFIX = "config"
ANSWER_SECONDS = 5.0

# What a service of one environment may do: read its environment's settings and which deployment is live,
# register, and find other services. "list" is reading with the right to ask for all keys of a prefix.
RULES = """\
key_prefix "{config}/{environment}/" {{ policy = "list" }}
key_prefix "deploy/" {{ policy = "read" }}
service_prefix "" {{ policy = "write" }}
node_prefix "" {{ policy = "read" }}
"""
PIPELINE_RULES = """\
key_prefix "deploy/" { policy = "write" }
service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
"""


@dataclass(frozen=True)
class Access:
    """What the services of one environment are let in with."""

    environment: str
    policy: str
    rules: str
    accessor_id: str
    """The token's public name, as it appears in Consul's answers and logs."""
    token: str = field(repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of such a service."""
        return {
            "SERVICE_ENVIRONMENT": self.environment,
            "SERVICE_CONFIG_PREFIX": CONFIG_PREFIX,
            "CONSUL_HTTP_TOKEN": self.token,
        }


async def separate_environments(
    consul_url: str, management_token: str, environments: Sequence[str] = ENVIRONMENTS
) -> dict[str, Access]:
    """Make a policy and a token for each environment; those of an earlier call are replaced.

    Settings are expected under `config/<environment>/`. Raises `LabError` when Consul refuses.
    """
    async with _client(consul_url, management_token) as client:
        made = await asyncio.gather(
            *(
                _access(
                    client, name, f"services-{name}", RULES.format(config=CONFIG_PREFIX, environment=name)
                )
                for name in environments
            )
        )
    return dict(zip(environments, made, strict=True))


async def pipeline_token(consul_url: str, management_token: str) -> str:
    """A token that may switch deployments and look at services, and nothing else. Raises `LabError`."""
    async with _client(consul_url, management_token) as client:
        return (await _access(client, "prod", "pipeline", PIPELINE_RULES)).token


def _client(consul_url: str, management_token: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=consul_url,
        headers={"X-Consul-Token": management_token},
        timeout=ANSWER_SECONDS,
        trust_env=False,
    )


async def _access(client: httpx2.AsyncClient, environment: str, name: str, rules: str) -> Access:
    known = await client.get(f"/v1/acl/policy/name/{name}")
    if known.is_success:  # its tokens are no longer good for anything then
        await _ask(client, "DELETE", f"/v1/acl/policy/{known.json()['ID']}")
    body = {"Name": name, "Rules": rules}
    await _ask(client, "PUT", "/v1/acl/policy", body)
    token = await _ask(client, "PUT", "/v1/acl/token", {"Description": name, "Policies": [{"Name": name}]})
    return Access(environment, name, rules, token["AccessorID"], token["SecretID"])


async def _ask(client: httpx2.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - whatever JSON can hold
    try:
        answer = await client.request(method, path, json=body)
    except httpx2.TransportError as error:
        raise LabError(f"Consul at {client.base_url} can't be reached: {error}") from error
    if not answer.is_success:
        raise LabError(f"Consul refuses {method} {path}: {answer.status_code} {answer.text.strip()}")
    return answer.json()
