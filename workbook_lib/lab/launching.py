"""From a name to a ready process: programs, ports, environment, and the wait until it answers."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import shlex
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from workbook_lib.lab import in_folder, provision
from workbook_lib.lab.command import CommandFailed, Output
from workbook_lib.lab.errors import LabError
from workbook_lib.lab.handle import Handle
from workbook_lib.lab.ports import NoFreePort, PortAllocator, PortRequest, Reservation
from workbook_lib.lab.processes import ProcessError, Supervisor
from workbook_lib.lab.readiness import until_answered, until_ready
from workbook_lib.lab.run_folder import RUN_ID, RunFolder
from workbook_lib.lab.servers import SERVERS, Place, Server
from workbook_lib.lab.services import PRELOADED, ServiceSpec, app_command, check_app, check_service

__all__ = ["Plan", "Run"]

SERVICE_START_SECONDS = 60.0
EXTERNAL_SECONDS = 5.0
OPERATOR_TOKEN = "OPERATOR_TOKEN"  # noqa: S105 - the variable's name


@dataclass
class Plan:
    """One process about to be started or, without a command, a server of the user's about to be asked.

    `check` gets the process's id (0 for the user's server).
    """

    key: tuple[str, int]
    handle: Handle
    check: Callable[[int], Awaitable[str | None]]
    argv: Sequence[str]
    env: Mapping[str, str]
    start_seconds: float
    fork: bool = False
    """Whether it is one that may be forked from the run's template."""


class Run:
    """One run of a chapter: its folder, its ports, its supervisor."""

    def __init__(self, root: Path, chapter: str) -> None:
        self.root = root
        self.folder = RunFolder(root, chapter)
        self._ports = PortAllocator()
        self._reserved: list[Reservation] = []
        # An instance that is started again is where it was: Consul then takes it for the same one.
        self._numbers: dict[str, dict[str, int]] = {}
        # A notebook's kernel must not outlive the program that runs the notebook (papermill, JupyterLab).
        parent = os.getppid() if os.environ.get("JPY_PARENT_PID") == str(os.getppid()) else None
        self._env = {name: value for name, value in os.environ.items() if name != "JPY_PARENT_PID"}
        self._env |= {RUN_ID: self.folder.run_id, "PYTHONUNBUFFERED": "1"}
        # Services have operator routes, so that faults can be armed in them (`lab.faults`).
        self._operator_token = os.environ.get(OPERATOR_TOKEN) or secrets.token_urlsafe(24)
        self._services = 0
        self._commands = itertools.count(1)
        self._supervisor = Supervisor(self.folder.log_path("supervisor"), watch=parent, env=self._env)

    async def plan_server(self, name: str, env: Mapping[str, str]) -> Plan:
        """Find the server (or provision it, with progress) and reserve its ports. Raises `LabError`."""
        server = SERVERS[name]
        if external := server.external(os.environ):
            return _plan_of_users_own(server, external)
        try:
            found = await asyncio.to_thread(_found, server.program)
        except provision.ProvisionError as error:
            raise LabError(str(error)) from error
        ports = self._reserve(name, server.ports)
        numbers = {role: reservation.port for role, reservation in ports.items()}
        environment = server.environment(numbers)
        folder = self.folder.data_folder(name)
        handle = Handle(
            name,
            environment,
            dict(environment),
            server.grace_seconds,
            note=_notes(ports),
            ports=ports,
            folder=folder,
            stop_signal=server.stop_signal,
            unshared=server.secret_variables,
        )
        try:
            launch = server.launch(Place(found, numbers, folder, env))
        except BaseException:
            handle.rest()
            raise
        environment |= launch.environment
        return Plan(
            (name, 1),
            handle,
            lambda _: server.check(environment),
            launch.argv,
            launch.env,
            server.start_seconds,
        )

    def plan_service(
        self,
        spec: ServiceSpec,
        index: int,
        env: Mapping[str, str],
        *,
        reload: bool,
        arguments: Sequence[str] = (),
    ) -> Plan:
        """Reserve the ports of one instance and write down its environment. Raises `LabError`."""
        name = spec.name if index == 1 else f"{spec.name}-{index}"
        ports = self._reserve(name, spec.ports(index))
        numbers = {role: reservation.port for role, reservation in ports.items()}
        addresses = {"http": f"http://127.0.0.1:{numbers['http']}"}
        if "grpc" in numbers:
            addresses["grpc"] = f"127.0.0.1:{numbers['grpc']}"
        folder = self.folder.data_folder(spec.name)
        handle = Handle(name, {}, addresses, note=_notes(ports), ports=ports, folder=folder)
        told = {OPERATOR_TOKEN: self._operator_token, **spec.environment(numbers, folder), **env}
        handle.operator_token = told.get(f"{spec.name.upper()}_{OPERATOR_TOKEN}") or told[OPERATOR_TOKEN]
        return Plan(
            (spec.name, index),
            handle,
            partial(check_service, spec, numbers, reload=reload),
            spec.command(reload=reload, arguments=arguments),
            told,
            SERVICE_START_SECONDS,
            fork=spec.of_project and not reload,
        )

    def plan_program(
        self,
        name: str,
        command: Callable[[Mapping[str, int]], Sequence[str]],
        check: Callable[[Mapping[str, int]], Awaitable[str | None]],
        requests: Sequence[PortRequest],
        *,
        fork: bool = False,
    ) -> Plan:
        """Reserve the ports of a program that services are reached through. Raises `LabError`."""
        ports = self._reserve(name, requests)
        numbers = {role: reservation.port for role, reservation in ports.items()}
        addresses = {role: f"127.0.0.1:{number}" for role, number in numbers.items()}
        handle = Handle(name, {}, addresses, note=_notes(ports), ports=ports, outlives_services=True)
        return Plan(
            (name, 1),
            handle,
            lambda _: check(numbers),
            command(numbers),
            {},
            SERVICE_START_SECONDS,
            fork=fork,
        )

    def plan_version(
        self, name: str, spec: ServiceSpec, env: Mapping[str, str], arguments: Sequence[str]
    ) -> Plan:
        """Reserve the port of a service from a checkout of its own. Raises `LabError`."""
        ports = self._reserve(
            name, spec.ports(index=2)
        )  # never the well-known one: versions run side by side
        numbers = {role: reservation.port for role, reservation in ports.items()}
        handle = Handle(name, {}, {"http": f"http://127.0.0.1:{numbers['http']}"}, ports=ports)
        folder = spec.folder.resolve().parent
        python, m, *module = spec.command(arguments=arguments)
        return Plan(
            (name, 1),
            handle,
            partial(check_service, spec, numbers, reload=False),
            [python, m, in_folder.__name__, str(folder), *module],
            {**env, **spec.environment(numbers, None)},
            SERVICE_START_SECONDS,
            fork=not (folder / "workbook_lib").exists(),  # a kit of its own is not the one in memory
        )

    def plan_app(
        self, name: str, folder: Path, app: str, port: int, env: Mapping[str, str], *, reload: bool
    ) -> Plan:
        """Reserve the port of a reader's own app. Raises `LabError`."""
        ports = self._reserve(name, [PortRequest("http", port)])
        number = ports["http"].port
        handle = Handle(name, {}, {"http": f"http://127.0.0.1:{number}"}, note=_notes(ports), ports=ports)
        argv = app_command(folder.resolve(), app, number, reload=reload)
        check = partial(check_app, number, reload=reload)
        return Plan((name, 1), handle, check, argv, env, SERVICE_START_SECONDS)

    async def run_module(
        self, words: Sequence[str], folder: Path, env: Mapping[str, str], timeout_seconds: float
    ) -> Output:
        """Run `python -m` to its end, as services of the folder are started.

        Raises `CommandFailed` when it isn't done in time, and `LabError`.
        """
        command = shlex.join(["python", "-m", *words])
        fork = folder == self.root or not (folder / "workbook_lib").exists()
        self.prepare(int(fork))
        await self._supervisor.prepared()
        argv = [sys.executable, "-m", in_folder.__name__, str(folder), *words]
        printed = self.folder.data_folder("commands") / f"{next(self._commands)}.txt"
        environment, started = {**self._env, **env}, time.monotonic()
        try:
            process = self._supervisor.spawn(
                words[0], argv, env=environment, cwd=self.root, log=printed, fork=fork
            )
        except ProcessError as error:
            raise LabError(str(error)) from error
        if (code := await process.wait(timeout_seconds)) is None:
            await process.kill()
            raise CommandFailed(f"$ {command}\nnot done after {timeout_seconds:g} s")
        return Output(command, printed.read_text(errors="replace"), code, time.monotonic() - started)

    async def bring_up(self, plans: Sequence[Plan]) -> None:
        """Start them together, wait until all are ready; a failure ends the wait. Raises `LabError`."""
        tasks = [asyncio.ensure_future(self._bring_up(plan)) for plan in plans]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def prepare(self, services: int) -> None:
        """Get ready to start so many services, while their servers start.

        Forks share what takes each service two seconds to import. The first service on its own is as fast
        without: many a test starts no other. WORKBOOK_FORK=0 switches it off. Raises `LabError`.
        """
        self._services += services
        if not self._services or os.environ.get("WORKBOOK_FORK") == "0":
            return
        try:
            if self._services > 1 or self._supervisor.has_imported(PRELOADED):
                self._supervisor.prepare(PRELOADED, env=self._env, cwd=self.root)
        except ProcessError as error:
            raise LabError(str(error)) from error

    def close(self) -> None:
        """End whatever is still running, give the ports back, and note that nothing was left."""
        self._supervisor.close()
        for reservation in self._reserved:
            reservation.release()
        self.folder.record(ended=True)

    async def _bring_up(self, plan: Plan) -> None:
        handle = plan.handle
        started = time.monotonic()
        if not plan.argv:
            await until_answered(handle.name, handle.addresses, partial(plan.check, 0), plan.start_seconds)
            handle.seconds = time.monotonic() - started
            return
        if plan.fork:
            await self._supervisor.prepared()
        for reservation in handle.ports.values():
            reservation.hand_over()
        try:
            handle.process = process = self._supervisor.spawn(
                handle.name,
                plan.argv,
                env={**self._env, **plan.env},
                cwd=self.root,
                log=self.folder.log_path(handle.name),
                fork=plan.fork,
            )
        except ProcessError as error:
            raise LabError(str(error)) from error
        self.folder.add(process)
        await until_ready(process, partial(plan.check, process.pid), plan.start_seconds)
        handle.seconds = time.monotonic() - started

    def _reserve(self, name: str, requests: Sequence[PortRequest]) -> dict[str, Reservation]:
        """Its ports; those that it had before, if it is started again: clients know them, and Consul."""
        before = self._numbers.get(name, {})
        wanted = [replace(port, preferred=before.get(port.role, port.preferred)) for port in requests]
        numbers = {port.preferred for port in wanted}
        for reservation in [each for each in self._reserved if each.resting and each.port in numbers]:
            reservation.release()
            self._reserved.remove(reservation)
        try:
            ports = self._ports.reserve_all(wanted)
        except NoFreePort as error:
            raise LabError(str(error)) from error
        self._reserved += ports.values()
        self._numbers[name] = {role: reservation.port for role, reservation in ports.items()}
        return ports


def _plan_of_users_own(server: Server, environment: dict[str, str]) -> Plan:
    shown = {name: value for name, value in environment.items() if name not in server.secret_variables}
    handle = Handle(server.name, environment, shown, note="yours", unshared=server.secret_variables)
    return Plan((server.name, 1), handle, lambda _: server.check(environment), (), {}, EXTERNAL_SECONDS)


def _found(name: str) -> provision.Found:
    return provision.find(name) or provision.provision(name, report=print)


def _notes(ports: Mapping[str, Reservation]) -> str:
    return "; ".join(reservation.note for reservation in ports.values() if reservation.note)
