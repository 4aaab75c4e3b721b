"""HashiCorp Consul with access control on: whoever has no token may do nothing."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from typing import ClassVar

from workbook_lib.lab.readiness import http_get
from workbook_lib.lab.servers.base import Launch, Place
from workbook_lib.lab.servers.consul import Consul

__all__ = ["ConsulAcl"]


class ConsulAcl(Consul):
    """Ready when it has a leader and knows its management token.

    That token is made for each start. It is in the server's folder, readable by this user only, and in the
    lab's environment as CONSUL_HTTP_TOKEN; services don't get it. `lab.consul_acl` makes them lesser ones.
    """

    name = "consul-acl"
    title = "Consul with ACLs"
    variables: ClassVar[tuple[str, ...]] = ("CONSUL_HTTP_ADDR", "CONSUL_HTTP_TOKEN")
    secret_variables: ClassVar = frozenset({"CONSUL_HTTP_TOKEN"})
    stands_for: ClassVar = "consul"

    def launch(self, place: Place) -> Launch:
        """As without ACLs, and a second configuration file that turns them on."""
        token = str(uuid.uuid4())
        config = place.folder / "acl.json"
        acl = {
            "enabled": True,
            "default_policy": "deny",
            # Without it a forbidden list looks like an empty one: entries that may not be read are left out.
            "enable_key_list_policy": True,
            # The agent's own token registers its node and runs its services' checks.
            "tokens": {"initial_management": token, "agent": token},
        }
        with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"acl": acl}, file, indent=1)
        plain = super().launch(place)
        return Launch([*plain.argv, f"-config-file={config}"], environment={"CONSUL_HTTP_TOKEN": token})

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """The token is known, which takes a moment longer than having a leader."""
        if (missing := await super().check(environment)) is not None:
            return missing
        base = environment["CONSUL_HTTP_ADDR"]
        base = base if "//" in base else f"http://{base}"
        headers = {"X-Consul-Token": environment["CONSUL_HTTP_TOKEN"]}
        status, _ = await http_get(f"{base.rstrip('/')}/v1/acl/token/self", headers)
        return None if status == 200 else f"the token isn't known yet (HTTP {status})"
