"""A chapter's machines: real servers and service processes, started in a cell and ended with the chapter."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from workbook_lib.lab.cells import watch_cells
from workbook_lib.lab.command import Output
from workbook_lib.lab.errors import LabError
from workbook_lib.lab.handle import Handle, Started
from workbook_lib.lab.launching import Plan, Run
from workbook_lib.lab.log_shipper import SHIPPER, shipper_environment
from workbook_lib.lab.optional import show_skipped
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.provision import ProvisionError
from workbook_lib.lab.run_folder import project_root
from workbook_lib.lab.servers import SERVERS
from workbook_lib.lab.services import ServiceSpec, read_spec

__all__ = ["Lab"]

ABANDON_SECONDS = 1.0
_labs: weakref.WeakValueDictionary[tuple[Path, str], Lab] = weakref.WeakValueDictionary()


class Lab:
    """Starts what a chapter needs and owns it: `await lab.start("consul", "users")`, then `lab["users"].url`.

    Also an async context manager that stops everything at its end. Nothing that it starts outlives this
    Python process, however that ends. It belongs to no event loop. A second lab of the same chapter in this
    process stops the first. Everything is written under `<root>/.workbook/<chapter>/`. In a notebook, the
    cell after a server or service has died by itself isn't run: its error is that death.
    """

    def __init__(self, chapter: str, *, root: Path | None = None) -> None:
        self.chapter = chapter
        self.root = (root or project_root()).resolve()
        self._handles: dict[tuple[str, int], Handle] = {}
        self._run: Run | None = None
        self._end_watch: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def __getitem__(self, key: str | tuple[str, int]) -> Handle:
        name, index = key if isinstance(key, tuple) else (key, 1)
        try:
            return self._handles[name, index]
        except KeyError:
            started = ", ".join(handle.name for handle in self.handles) or "nothing"
            raise LabError(
                f"{name!r}, instance {index}, isn't started in this lab; started: {started}"
            ) from None

    @property
    def handles(self) -> list[Handle]:
        """Everything started, in order."""
        return list(self._handles.values())

    @property
    def environment(self) -> dict[str, str]:
        """What clients of the running servers need, e.g. CONSUL_HTTP_ADDR."""
        return {name: value for handle in self.handles for name, value in handle.environment.items()}

    @property
    def folder(self) -> Path:
        """The run's folder: logs, databases, processes.json. Raises `LabError` when nothing is started."""
        if self._run is None:
            raise LabError(f"nothing of chapter {self.chapter} is started")
        return self._run.folder.path

    async def start(
        self,
        *names: str,
        instances: int = 1,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        reload: bool = False,
        without: Collection[str] = (),
    ) -> Started:
        """Start servers and services by name, and the servers that services need; wait until all are ready.

        Servers come up together, then the services; `instances`, `env` and `arguments` (of their command
        lines) are for those. With `reload` they start anew when their files change. `without` names servers
        that the chapter doesn't need. What runs stays. Raises `LabError`; nothing of it is left then.
        """
        specs = [read_spec(self.root, name) for name in dict.fromkeys(names) if name not in SERVERS]
        servers = self._servers([n for n in names if n in SERVERS], specs, without)
        wanted = [(spec, index) for spec in specs for index in range(1, instances + 1)]
        run = await self._opened()
        run.prepare(0 if reload else sum(not self._is_running(spec.name, index) for spec, index in wanted))
        plans: list[Plan] = []
        async with AsyncExitStack() as undo:
            for name in sorted(servers, key=list(SERVERS).index):
                if not self._is_running(name, 1):
                    known = _known(*self.handles, *(p.handle for p in plans))
                    plans.append(await run.plan_server(name, known))
                    undo.push_async_callback(plans[-1].handle.stop, ABANDON_SECONDS)
            first_service = len(plans)
            known = _known(*self.handles, *(p.handle for p in plans)) | dict(env or {})
            for spec, index in wanted:
                if not self._is_running(spec.name, index):
                    plans.append(run.plan_service(spec, index, known, reload=reload, arguments=arguments))
                    undo.push_async_callback(plans[-1].handle.stop, ABANDON_SECONDS)
            for together in (*_in_turn(plans[:first_service]), plans[first_service:]):
                await run.bring_up(together)
            undo.pop_all()
        self._keep(plans)
        return Started(
            self._handles[key] for key in [*((n, 1) for n in servers), *((s.name, i) for s, i in wanted)]
        )

    async def serve(
        self,
        folder: Path,
        app: str,
        *,
        name: str = "app",
        port: int = 8080,
        env: Mapping[str, str] | None = None,
        reload: bool = True,
    ) -> Started:
        """Serve an ASGI app of the reader's own: `app` as "module:attribute", its module in `folder`.

        With `reload` it starts anew when a file of the folder changes. Raises `LabError` as `start` does.
        """
        run = await self._opened()
        if not self._is_running(name, 1):
            plan = run.plan_app(name, folder, app, port, self.environment | dict(env or {}), reload=reload)
            await self._bring_up(run, plan)
        return Started([self[name]])

    async def launch(
        self,
        name: str,
        folder: Path,
        *,
        service: str,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> Handle:
        """Start a version of a service from a checkout of its own: `python -m` the package in `folder`.

        `name` is what the lab calls it. Nothing of the environment but the addresses of the lab's servers
        and `env` tells it where it belongs. Raises `LabError` as `start` does.
        """
        run = await self._opened()
        spec = ServiceSpec(folder, service, 0, of_project=False)
        if not self._is_running(name, 1):
            run.prepare(1)
            plan = run.plan_version(name, spec, _known(*self.handles) | dict(env or {}), arguments)
            await self._bring_up(run, plan)
        return self[name]

    async def run_program(
        self,
        name: str,
        command: Callable[[Mapping[str, int]], Sequence[str]],
        check: Callable[[Mapping[str, int]], Awaitable[str | None]],
        *,
        ports: Sequence[PortRequest],
        fork: bool = False,
    ) -> Handle:
        """Start a program that services are reached through, such as a fault's proxy.

        `command` and `check` (as in `Server.check`) get its ports by role. With `fork` the command is a
        `python -m` of this project, and begins as services do. It is stopped after the services. Raises
        `LabError` as `start` does.
        """
        run = await self._opened()
        if not self._is_running(name, 1):
            run.prepare(int(fork))
            await self._bring_up(run, run.plan_program(name, command, check, ports, fork=fork))
        return self[name]

    async def run_module(
        self,
        module: str,
        *arguments: str,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout_seconds: float = 60.0,
        expect: int = 0,
    ) -> Output:
        """What `python -m` this module prints in `folder` (default: the project's), run to its end.

        Like `command.run`, but begun as a service is: what all services import is in memory already. Nothing
        but `env` tells it of the lab's servers. Raises `CommandFailed` as that does, and `LabError`.
        """
        run, folder = await self._opened(), (folder or self.root).resolve()
        output = await run.run_module([module, *arguments], folder, dict(env or {}), timeout_seconds)
        return output.expected(expect)

    async def try_start(self, *names: str) -> Started | None:
        """`start` for servers that the chapter can do without.

        Where one can't be had the cell shows what is skipped, why, and how to provide it; None. Raises
        `LabError` when it can be had and doesn't get ready.
        """
        try:
            return await self.start(*names)
        except LabError as error:
            if not isinstance(error.__cause__, ProvisionError):
                raise
            show_skipped(names, str(error))
            return None

    async def ship_logs(self, *, rotate_bytes: int = 10_000_000) -> Handle:
        """Start the log shipper, and the store unless it runs: every log of this run goes there.

        It goes into a cold backup too, `<handle>.folder / "cold"`, in files of `rotate_bytes` before they are
        compressed. Raises `LabError` as `start` does.
        """
        if not self._is_running("victorialogs", 1):
            await self.start("victorialogs")
        run, store = await self._opened(), self["victorialogs"]
        if not self._is_running(SHIPPER.name, 1):
            env = shipper_environment(
                run.folder.path,
                store.url,
                rotate_bytes=rotate_bytes,
                # Three times as long as the store keeps records in memory: ours, or one left as it comes.
                keep_seconds=3 if store.process else 15,
            )
            await self._bring_up(run, run.plan_service(SHIPPER, 1, env, reload=False))
        return self[SHIPPER.name]

    def check(self) -> None:
        """Raise `LabError`, naming it and with the end of its log, when a process has died by itself."""
        for handle in self.handles:
            handle.check()

    async def stop(self) -> None:
        """Stop everything: the services together, each draining, then the servers together. Idempotent.

        Proxies come after the services that use them, and the log shipper last: it ships their last lines.
        """
        run, self._run = self._run, None
        handles, self._handles = self._handles, {}
        if run is None:
            return
        self._end_watch()
        try:
            for wave in _waves(handles):
                await asyncio.gather(*(handle.stop() for handle in wave))
        finally:
            run.close()

    async def open(self) -> Path:
        """Claim the run's folder and end what an earlier run left, as `start` does. Idempotent."""
        return (await self._opened()).folder.path

    async def _opened(self) -> Run:
        if self._run is None:
            earlier = _labs.get((self.root, self.chapter))
            if earlier is not None:
                await earlier.stop()
            _labs[self.root, self.chapter] = self
            self._run = Run(self.root, self.chapter)
            self._end_watch = watch_cells(self.check)
            if self._run.folder.reaped:
                print("Ended what an earlier run had left:", ", ".join(self._run.folder.reaped))
        for handle in self.handles:
            if not handle.alive:
                handle.rest()  # so that it gets the same ports when it is started again
        return self._run

    def _servers(self, named: list[str], specs: Sequence[ServiceSpec], without: Collection[str]) -> list[str]:
        """The servers named, and those needed for which no other one stands."""
        present = {name for name, _ in self._handles} | set(named)
        stood_for = {SERVERS[name].stands_for for name in present if name in SERVERS}
        needed = [name for spec in specs for name in spec.needs if name not in {*stood_for, *without}]
        wanted = list(dict.fromkeys(named + needed))
        companions = [
            companion
            for name in wanted
            if not SERVERS[name].external(os.environ)
            for companion in SERVERS[name].companions
        ]
        return list(dict.fromkeys(wanted + companions))

    def _is_running(self, name: str, index: int) -> bool:
        handle = self._handles.get((name, index))
        return handle is not None and handle.alive

    async def _bring_up(self, run: Run, plan: Plan) -> None:
        async with AsyncExitStack() as undo:
            undo.push_async_callback(plan.handle.stop, ABANDON_SECONDS)
            await run.bring_up([plan])
            undo.pop_all()
        self._keep([plan])

    def _keep(self, plans: list[Plan]) -> None:
        for plan in plans:
            self._handles.pop(plan.key, None)  # a restarted one is the last in order
            self._handles[plan.key] = plan.handle


def _in_turn(servers: list[Plan]) -> tuple[list[Plan], list[Plan]]:
    """Those that come up together, and those that do afterwards."""
    last = [plan for plan in servers if SERVERS[plan.key[0]].starts_last]
    return [plan for plan in servers if plan not in last], last


def _waves(handles: Mapping[tuple[str, int], Handle]) -> list[list[Handle]]:
    """Those that are stopped together: services, proxies, the log shipper, servers."""
    waves: list[list[Handle]] = [[], [], [], []]
    for (name, _), handle in handles.items():
        of_wave = 3 if name in SERVERS else 2 if name == SHIPPER.name else int(handle.outlives_services)
        waves[of_wave].append(handle)
    return waves


def _known(*handles: Handle) -> dict[str, str]:
    """What any service may know of what runs: addresses, no secrets."""
    return {
        name: value
        for handle in handles
        for name, value in handle.environment.items()
        if name not in handle.unshared
    }
