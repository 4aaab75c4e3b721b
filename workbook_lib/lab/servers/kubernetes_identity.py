"""Who is who in a control plane: a certificate authority, tokens, and a kubeconfig for each component."""

from __future__ import annotations

import base64
import csv
import io
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

__all__ = [
    "ADMIN",
    "CONTROLLER_MANAGER",
    "KUBE_PROXY",
    "PROCESS_NODE",
    "SCHEDULER",
    "Identity",
    "User",
]


@dataclass(frozen=True)
class User:
    """A user name that Kubernetes' own roles are bound to, and its group."""

    name: str
    group: str = ""


ADMIN: Final = User("admin", "system:masters")
CONTROLLER_MANAGER: Final = User("system:kube-controller-manager")
SCHEDULER: Final = User("system:kube-scheduler")
# By its name the node authorizer knows which node it is: it may read the Secrets of its own pods only.
PROCESS_NODE: Final = User("system:node:process-node", "system:nodes")
KUBE_PROXY: Final = User("system:kube-proxy")
_USERS = (ADMIN, CONTROLLER_MANAGER, SCHEDULER, PROCESS_NODE, KUBE_PROXY)


class Identity:
    """The files of one control plane's keys, readable by their owner only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "identity"
        self.authority = self.folder / "ca.crt"
        self.certificate, self.key = self.folder / "server.crt", self.folder / "server.key"
        self.aggregator_certificate = self.folder / "aggregator.crt"
        self.aggregator_key = self.folder / "aggregator.key"
        self.signing_key = self.folder / "service-accounts.key"
        self.tokens = self.folder / "tokens.csv"

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Identity:
        """That of the control plane whose kubeconfig the environment names."""
        return cls(Path(environment["WORKBOOK_KUBECONFIG"]).parent.parent)

    def make(self, url: str) -> Identity:
        """Make what isn't there yet: an API server that is started again has the keys that it had."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if not self.tokens.exists():
            self._make_keys()
            self._write(self.tokens, _tokens())
        for user, token in self._known():
            self._write(self.kubeconfig(user), _kubeconfig(url, self.authority.read_bytes(), user, token))
        return self

    @property
    def url(self) -> str:
        """The API server's address."""
        document = yaml.safe_load(self.kubeconfig(ADMIN).read_text())
        return str(document["clusters"][0]["cluster"]["server"])

    def kubeconfig(self, user: User) -> Path:
        """The file by which that user finds the API server."""
        return self.folder / f"{user.name.rpartition(':')[2]}.kubeconfig"

    def _make_keys(self) -> None:
        import trustme
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        ca = trustme.CA(organization_name="the workbook's control plane")
        server = ca.issue_cert(
            "127.0.0.1", "localhost", "kubernetes.default.svc", "metrics-server.kube-system.svc"
        )
        aggregator = ca.issue_cert("aggregator", common_name="aggregator")
        self._write(self.authority, ca.cert_pem.bytes())
        for leaf, certificate, key in (
            (server, self.certificate, self.key),
            (aggregator, self.aggregator_certificate, self.aggregator_key),
        ):
            self._write(certificate, b"".join(each.bytes() for each in leaf.cert_chain_pems))
            self._write(key, leaf.private_key_pem.bytes())
        # The API server signs the service accounts' tokens with it.
        signing = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        self._write(self.signing_key, signing)

    def _known(self) -> list[tuple[User, str]]:
        rows = list(csv.reader(io.StringIO(self.tokens.read_text())))
        return [(user, token) for user, (token, *_) in zip(_USERS, rows, strict=True)]

    def _write(self, path: Path, content: bytes) -> None:
        path.touch(mode=0o600)
        path.write_bytes(content)


def _tokens() -> bytes:
    """A token a user: token, name, id, groups (Kubernetes, "Static token file")."""
    text = io.StringIO()
    csv.writer(text).writerows([secrets.token_hex(16), user.name, user.name, user.group] for user in _USERS)
    return text.getvalue().encode()


def _kubeconfig(url: str, authority: bytes, user: User, token: str) -> bytes:
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(authority).decode()}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "workbook", "cluster": cluster}],
        "users": [{"name": user.name, "user": {"token": token}}],
        "contexts": [{"name": "workbook", "context": {"cluster": "workbook", "user": user.name}}],
        "current-context": "workbook",
    }
    return yaml.safe_dump(document).encode()
