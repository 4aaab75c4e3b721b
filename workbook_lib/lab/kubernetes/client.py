"""How a chapter talks to the control plane: a typed client for its code, kubectl for its reader."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from lightkube import AsyncClient, KubeConfig

from workbook_lib.lab import command, provision
from workbook_lib.lab.errors import LabError
from workbook_lib.lab.lab import Lab
from workbook_lib.lab.servers.kubernetes_identity import ADMIN, Identity, User

__all__ = ["client", "kubeconfig", "kubectl"]


def kubeconfig(lab: Lab, user: User = ADMIN) -> Path:
    """The file by which a user finds the lab's cluster, or the file of the reader's own cluster.

    Raises `LabError` when there is no cluster, and for any user but ADMIN of one that isn't the lab's.
    """
    handle = lab["kubernetes"]
    handle.check()
    if user == ADMIN:
        return Path(handle.environment["WORKBOOK_KUBECONFIG"]).expanduser()
    if handle.process is None:
        raise LabError(f"the cluster is your own: the lab has no user {user.name} in it")
    return Identity.of(handle.environment).kubeconfig(user)


def client(lab: Lab, user: User = ADMIN, *, namespace: str | None = None) -> AsyncClient:
    """A client that acts as that user, in `namespace` where a call names none. Raises as `kubeconfig` does.

    It has connections: use it with `async with`, or call its `aclose`.
    """
    config = KubeConfig.from_file(kubeconfig(lab, user)).get()
    # A proxy that the environment names is for the world outside, where the lab's cluster isn't.
    return AsyncClient(config=config, namespace=namespace, trust_env=lab["kubernetes"].process is None)


async def kubectl(
    lab: Lab, *arguments: str | Path, timeout_seconds: float = 60.0, expect: int = 0
) -> command.Output:
    """What `kubectl` with these arguments prints about the cluster, as its administrator.

    Raises `CommandFailed` with everything printed when the exit code isn't `expect` or it isn't done in time,
    and `LabError` when there is no cluster or no kubectl.
    """
    config = kubeconfig(lab)
    program = await asyncio.to_thread(_kubectl, lab)
    env = {
        "KUBECONFIG": str(config),
        "PATH": os.pathsep.join([str(program.parent), os.environ.get("PATH", os.defpath)]),
        # Neither what the reader has set up for their own clusters nor what is remembered of those.
        "KUBECTL_KUBERC": "false",
        "KUBECACHEDIR": str(lab.folder / "kubectl"),
    }
    return await asyncio.to_thread(
        command.run, program.name, *arguments, env=env, timeout_seconds=timeout_seconds, expect=expect
    )


def _kubectl(lab: Lab) -> Path:
    """The one that came with the control plane, else the reader's own, else one that is provisioned."""
    process = lab["kubernetes"].process
    if process is not None and (beside := Path(process.argv[0]).with_name("kubectl")).exists():
        return beside
    try:
        found = provision.find("kubectl") or provision.provision("kubectl", report=print)
    except provision.ProvisionError as error:
        raise LabError(str(error)) from error
    if found.path is None:
        raise LabError("kubectl was found, but not where")
    return found.path
