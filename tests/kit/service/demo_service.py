"""The service that the tests of kit.service start as a process."""

import asyncio
from typing import Literal

from fastapi import Response
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from workbook_lib.kit.failpoints import failpoint
from workbook_lib.kit.service import Service, main
from workbook_lib.kit.settings import ServiceSettings


class DemoSettings(ServiceSettings):
    """Settings of the demo."""

    model_config = SettingsConfigDict(env_prefix="DEMO_")

    service: str = Field(default="demo", description="name in Consul")
    broken: Literal["", "build", "start"] = Field(default="", description="where to fail")


class Broken:
    """A resource that can't start."""

    async def start(self) -> None:
        raise ConnectionError("the database is away")

    async def stop(self) -> None:
        pass


class Noted:
    """A resource that says when it is stopped."""

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        print("resource stopped", flush=True)


def count_on_the_loop() -> int:
    """What nobody should do on an event loop: the profile has to find it."""
    total = 0
    for number in range(100_000):
        total += number
    return total


def build(settings: DemoSettings) -> Service:
    """The demo."""
    if settings.broken == "build":
        raise RuntimeError("a bug in build")
    service = Service(settings, title="Demo", resources=[Noted()])
    if settings.broken == "start":
        service.add_resource(Broken())

    @service.app.get("/slow")
    async def slow(seconds: float) -> str:
        print("slow began", flush=True)
        await asyncio.sleep(seconds)
        return "finished"

    @service.app.get("/busy")
    async def busy() -> int:
        return count_on_the_loop()

    @service.app.get("/careless")
    async def careless(value: str, response: Response) -> str:
        response.headers["Location"] = value  # as no route should: what a caller sent, as it came
        return "careless"

    @service.app.get("/step")
    async def step() -> str:
        failpoint("demo.step")
        return "past the step"

    @service.app.get("/boom")
    async def boom() -> None:
        raise RuntimeError("secret of the inside")

    return service


if __name__ == "__main__":
    main(DemoSettings, build)
