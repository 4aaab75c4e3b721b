"""The process node: `python -m workbook_lib.lab.kubernetes.node` (see `cluster.start_node`).

One process with the three programs of a real node and cluster that pods need here: the agent (kubelet), the
service proxy (kube-proxy) and the metrics API (metrics-server). Each has the identity that it would have
there. When it ends, however it ends, so do the processes of its pods: a supervisor sees to that.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path

import uvloop
from lightkube import AsyncClient, KubeConfig

from workbook_lib.kit import logs
from workbook_lib.lab.kubernetes.agent import Agent
from workbook_lib.lab.kubernetes.container import Host
from workbook_lib.lab.kubernetes.metrics_api import NodeApi
from workbook_lib.lab.kubernetes.service_proxy import ServiceProxy
from workbook_lib.lab.processes import Supervisor
from workbook_lib.lab.run_folder import RUN_ID
from workbook_lib.lab.services import PRELOADED

__all__ = ["main"]

KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", RUN_ID)


async def run(options: argparse.Namespace) -> None:
    """Until SIGTERM, or until one of the parts fails."""
    supervisor = Supervisor(options.folder / "supervisor.log")
    environ = {name: os.environ[name] for name in KEPT if name in os.environ}
    host = Host(supervisor, {**environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(Path.cwd())})
    if os.environ.get("WORKBOOK_FORK") != "0":  # as in `lab.start`: what services import is shared by all
        supervisor.prepare(PRELOADED, env=host.environ, cwd=Path.cwd())
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    try:
        async with _client(options.node_kubeconfig) as as_node, _client(options.proxy_kubeconfig) as as_proxy:
            agent = Agent(options.name, as_node, host, options.folder / "pods", port=options.port)
            api = NodeApi(agent, options.port, options.identity)
            works = [
                asyncio.create_task(work, name=name)
                for name, work in {
                    "agent": agent.run(),
                    "proxy": ServiceProxy(as_proxy).run(),
                    "api": api.run(),
                    "stop": stopping.wait(),
                }.items()
            ]
            done, _ = await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
            agent.start_no_more()
            for each in works:
                each.cancel()
            await asyncio.gather(*works, return_exceptions=True)
            for each in done:
                each.result()
    finally:
        supervisor.close()


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="process-node", description=__doc__)
    parser.add_argument("--name", default="process-node")
    parser.add_argument("--node-kubeconfig", type=Path, required=True)
    parser.add_argument("--proxy-kubeconfig", type=Path, required=True)
    parser.add_argument("--identity", type=Path, required=True, help="folder with the cluster's certificates")
    parser.add_argument("--folder", type=Path, required=True, help="where pods' logs are written")
    parser.add_argument("--port", type=int, required=True, help="HTTPS port of logs and metrics")
    options = parser.parse_args()
    logs.configure("process-node", options.name, "INFO", "dev", form="json")
    uvloop.run(run(options))


def _client(kubeconfig: Path) -> AsyncClient:
    return AsyncClient(config=KubeConfig.from_file(kubeconfig).get(), trust_env=False)


if __name__ == "__main__":
    main()
