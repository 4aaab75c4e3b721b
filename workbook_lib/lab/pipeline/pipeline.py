"""The pipeline: which environment a branch or tag goes to, and the stages on the way there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence

import httpx2

from workbook_lib.kit.consul import Consul
from workbook_lib.lab.command import CommandFailed
from workbook_lib.lab.consul_acl import Access
from workbook_lib.lab.handle import Handle
from workbook_lib.lab.lab import Lab
from workbook_lib.lab.pipeline.repository import Repository
from workbook_lib.lab.pipeline.stages import PipelineRun, StageFailed, Step, run_stages
from workbook_lib.lab.pipeline.switch import Switch

__all__ = ["Pipeline", "environment_of"]

RELEASE = re.compile(r"v\d+\.\d+\.\d+")
SMOKE_SECONDS = 5.0
TEST_SECONDS = 120.0


def environment_of(ref: str) -> str:
    """Where a branch or tag goes: a release tag to production, main to staging, other branches to dev."""
    if RELEASE.fullmatch(ref):
        return "prod"
    return "staging" if ref == "main" else "dev"


class Pipeline:
    """Takes commits of one service to its environments, as processes of `lab`.

    dev and staging are replaced in place. In production the new version starts beside the old one (blue,
    green); once it answers well, the gateway is switched, and the old one is kept for `rollback`. `access`
    has what each environment's processes are let in with, `consul` the pipeline's own token.
    """

    def __init__(
        self,
        lab: Lab,
        repository: Repository,
        *,
        service: str,
        access: Mapping[str, Access],
        consul: Consul,
        gateway_url: str,
        smoke_paths: Sequence[str] = ("/",),
    ) -> None:
        self._lab = lab
        self._repository = repository
        self._service = service
        self._access = access
        self._smoke_paths = smoke_paths
        self._switch = Switch(consul, service, gateway_url)
        self._running: dict[str, Handle] = {}
        self._revisions: dict[str, str] = {}
        self._passed: set[tuple[str, str]] = set()

    def running(self, slot: str) -> Handle:
        """What runs in a slot: dev, staging, prod-blue or prod-green. Raises KeyError when nothing does."""
        return self._running[slot]

    async def run(self, ref: str) -> PipelineRun:
        """Take a branch or tag through its stages, to its environment."""
        environment, revision = environment_of(ref), self._repository.revision(ref)
        test: tuple[str, Step] = ("test", lambda: self._test(revision))
        if environment == "prod":
            before = await self._switch.live()
            after = "green" if before == "blue" else "blue"
            slot = f"prod-{after}"
            steps = [
                test,
                ("promote", lambda: self._require_staging(revision)),
                ("deploy", lambda: self._deploy(slot, environment, revision, after)),
                ("smoke", lambda: self._smoke(slot, revision)),
                ("switch", lambda: self._switch.to(after)),
                ("drain", lambda: self._drain(before)),
            ]
        else:
            slot = environment
            steps = [
                test,
                ("deploy", lambda: self._deploy(slot, environment, revision, None)),
                ("smoke", lambda: self._smoke(slot, revision)),
            ]
        run = PipelineRun(ref, revision, environment, await run_stages(steps))
        if run.succeeded:
            self._passed.add((environment, revision))
        elif run.failed is not None and run.failed.stage in ("deploy", "smoke"):
            await self._remove(slot)
        return run

    async def rollback(self) -> PipelineRun:
        """Switch production back to the version that was live before and still runs."""
        before = await self._switch.live()
        after = "green" if before == "blue" else "blue"
        revision = self._revisions.get(f"prod-{after}", "")
        steps: list[tuple[str, Step]] = [
            ("smoke", lambda: self._smoke(f"prod-{after}", revision)),
            ("switch", lambda: self._switch.to(after)),
            ("drain", lambda: self._drain(before)),
        ]
        return PipelineRun("rollback", revision, "prod", await run_stages(steps))

    async def _test(self, revision: str) -> str:
        if ("test", revision) in self._passed:
            return "passed before; the same commit needs no second time"
        folder = await asyncio.to_thread(self._repository.checkout, revision)
        words = ["-q", "--tb=line", "--color=no", "-p", "no:cacheprovider"]
        # No plugins but those that the repository itself asks for.
        env = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        try:
            output = await self._lab.run_module(
                "pytest", *words, folder=folder, env=env, timeout_seconds=TEST_SECONDS
            )
        except CommandFailed as error:
            failed = [line for line in str(error).splitlines() if line.startswith(("FAILED", "ERROR"))]
            raise StageFailed("; ".join(failed) or str(error).splitlines()[-1]) from error
        self._passed.add(("test", revision))
        return output.text.strip().splitlines()[-1]

    async def _require_staging(self, revision: str) -> str:
        if ("staging", revision) not in self._passed:
            raise StageFailed(f"{revision} hasn't passed staging: merge it into main first")
        return "passed staging"

    async def _deploy(self, slot: str, environment: str, revision: str, deployment: str | None) -> str:
        await self._remove(slot)
        folder = await asyncio.to_thread(self._repository.checkout, revision)
        prefix = self._service.upper()
        env = {
            **self._access[environment].variables,
            "SERVICE_CONFIG_DIR": str(folder / "config"),
            f"{prefix}_REVISION": revision,
        }
        if deployment is not None:
            env["SERVICE_DEPLOYMENT"] = deployment
        handle = await self._lab.launch(
            f"{self._service}-{slot}-{revision}",
            folder / self._service,
            service=self._service,
            env=env,
            arguments=["--config", f"config/{self._service}.yaml"],
        )
        self._running[slot], self._revisions[slot] = handle, revision
        return f"{handle.url}, process {handle.pid}"

    async def _smoke(self, slot: str, revision: str) -> str:
        if slot not in self._running:
            raise StageFailed(f"nothing runs in {slot}")
        base = self._running[slot].url
        async with httpx2.AsyncClient(base_url=base, timeout=SMOKE_SECONDS, trust_env=False) as client:
            for path in self._smoke_paths:
                answer = await client.get(path)
                version = answer.headers.get("x-version", "")
                if answer.status_code != httpx2.codes.OK:
                    raise StageFailed(f"GET {path} → {answer.status_code}: {answer.text[:200]}")
                if not version.endswith(f"+{revision}"):
                    raise StageFailed(f"GET {path} is answered by version {version!r}, not by {revision}")
        return f"{', '.join(self._smoke_paths)} answered by {version}"

    async def _drain(self, deployment: str | None) -> str:
        if deployment is None:
            return "nothing was live before"
        handle = self._running.get(f"prod-{deployment}")
        if handle is None or not handle.alive:
            return f"{deployment} has gone already"
        return await self._switch.drained(deployment, handle.url)

    async def _remove(self, slot: str) -> None:
        self._revisions.pop(slot, None)
        if (old := self._running.pop(slot, None)) is not None:
            await old.stop()
