"""The service that test_processes.py starts twice: its one route is slow, and notes each load in a file."""

import asyncio
import os
from pathlib import Path

from fastapi import Request, Response
from pydantic import BaseModel
from pydantic_settings import SettingsConfigDict

from workbook_lib.kit.cache import Cache
from workbook_lib.kit.response_cache import CachePolicy, ResponseCache
from workbook_lib.kit.service import Service, main
from workbook_lib.kit.settings import WithRedis


class LoadingSettings(WithRedis):
    """Settings of the demo."""

    model_config = SettingsConfigDict(env_prefix="DEMO_")

    service: str = "loading"
    notes: Path = Path("notes")
    seconds: float = 0.5
    lease_seconds: float = 3.0
    redis_seconds: float = 1.0
    protected: bool = True


class Loaded(BaseModel):
    """Who loaded it."""

    by: int


def build(settings: LoadingSettings) -> Service:
    """The demo."""
    service = Service(settings, title="Loading")
    responses = ResponseCache(
        Cache(
            settings.redis_url,
            namespace=settings.notes.parent.name,
            timeout_seconds=settings.redis_seconds,
        ),
        name="demo",
        registry=service.metrics.registry,
        load_seconds=settings.lease_seconds - 0.5,
        lease_seconds=settings.lease_seconds,
        protected=settings.protected,
    )
    service.add_resource(responses)

    async def load() -> Loaded:
        with settings.notes.open("a") as notes:
            notes.write(f"{os.getpid()}\n")
        await asyncio.sleep(settings.seconds)
        return Loaded(by=os.getpid())

    @service.app.get("/slow")
    async def slow(request: Request) -> Response:
        return await responses.respond(request, CachePolicy(tags=("slow",)), load)

    @service.app.post("/changed")
    async def changed() -> None:
        await responses.invalidate("slow")

    return service


if __name__ == "__main__":
    main(LoadingSettings, build)
