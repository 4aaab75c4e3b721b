"""nginx: a master and two workers in the foreground, HTTPS by a certificate of a local authority."""

from __future__ import annotations

import os
import pwd
import signal
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from workbook_lib.lab.deployment import fill_in
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.readiness import http_get
from workbook_lib.lab.servers.base import Launch, Place, Server

__all__ = ["MAIN", "Nginx", "write_configuration"]

MAIN = "nginx.conf"
FIRST_GENERATION = "0"


class Nginx(Server):
    """Ready when a request over HTTPS is answered, whatever the answer.

    It starts with `deploy/nginx/start.conf`; `lab.nginx.configure` gives it another site. NGINX_CA_FILE is
    the certificate of the authority, made for this start, by which clients know it.
    """

    name = "nginx"
    title = "nginx"
    variables: ClassVar = ("NGINX_URL",)
    ports: ClassVar = (PortRequest("https", 8443), PortRequest("http", 8088))
    grace_seconds: ClassVar = 5.0
    stop_signal: ClassVar = signal.SIGQUIT  # SIGTERM would cut off the requests under way

    def launch(self, place: Place) -> Launch:
        """Everything that it writes in the run's folder, and not as a daemon."""
        authority = _make_certificate(place.folder)
        main = place.folder / MAIN
        main.write_text(write_configuration(place.folder, place.ports, "start.conf", {}, FIRST_GENERATION))
        argv = [str(place.program), "-p", str(place.folder), "-c", str(main)]
        return Launch(
            [*argv, "-e", "stderr", "-g", "daemon off;"], environment={"NGINX_CA_FILE": str(authority)}
        )

    def environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """NGINX_URL, the HTTPS address."""
        return {"NGINX_URL": f"https://127.0.0.1:{ports['https']}"}

    async def check(self, environment: Mapping[str, str]) -> str | None:
        """It answers a request. A user's own is known by the system's authorities."""
        authority = environment.get("NGINX_CA_FILE")
        context = ssl.create_default_context(cafile=authority)
        await http_get(environment["NGINX_URL"], tls=context)
        return None


def write_configuration(
    folder: Path,
    ports: Mapping[str, int],
    site: str,
    values: Mapping[str, str | int | Sequence[str]],
    generation: str,
) -> str:
    """Write the site of `deploy/nginx`, filled in, into `folder`; return the main file that includes it.

    `generation` is what the server answers to the name generation.workbook. Raises `LabError`.
    """
    target = folder / f"site-{generation}.conf"
    target.write_text(fill_in(f"nginx/{site}", {**ports, **values}))
    return fill_in(
        "nginx/nginx.conf",
        {
            **ports,
            "user": _user(),
            "folder": str(folder),
            "certificate": str(folder / "certificate.pem"),
            "key": str(folder / "key.pem"),
            "site": str(target),
            "generation": generation,
        },
    )


def _make_certificate(folder: Path) -> Path:
    """A local authority's file, and in `folder` a certificate for loopback with its key."""
    # Imported where it is needed: cryptography is a good part of this package's start.
    import trustme

    public = folder / "ca.pem"
    if public.exists():  # of an earlier start: whoever trusts it goes on doing so
        return public
    authority = trustme.CA(organization_name="Microservices Workbook")
    certificate = authority.issue_cert("localhost", "127.0.0.1", "::1")
    chain = folder / "certificate.pem"
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(chain, append=True)
    key = folder / "key.pem"
    key.touch(mode=0o600)
    certificate.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(public)
    return public


def _user() -> str:
    """Workers run as this user; only root's master could give them another, who may not read the folder."""
    return f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
