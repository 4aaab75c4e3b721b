"""GET /health: which service and instance answers here, and whether what it depends on is well."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from workbook_lib.kit.errors import ServiceError
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.service.resources import Resources
from workbook_lib.kit.settings import ServiceSettings

__all__ = ["Health", "health_route"]

_CHECK_SECONDS = 1.0

_log = get_logger(__name__)


class Health(BaseModel):
    """The state of one instance; a failing one answers 503 and so leaves Consul's passing list."""

    status: Literal["ok", "failing"]
    service: str
    instance: str
    checks: dict[str, str] = Field(description="by resource: ok, or what is wrong")


def health_route(settings: ServiceSettings, *owned: Resources) -> APIRouter:
    """GET /health over the checks of what the service owns, all asked at once and each within a bound."""
    router = APIRouter()

    @router.get("/health", responses={503: {"model": Health}})
    async def health(response: Response) -> Health:
        checks = [check for resources in owned for check in resources.checks()]
        results = await asyncio.gather(*(_result(name, check) for name, check in checks))
        failing = any(result != "ok" for result in results)
        response.status_code = 503 if failing else 200
        return Health(
            status="failing" if failing else "ok",
            service=settings.service,
            instance=settings.instance,
            checks=dict(zip((name for name, _ in checks), results, strict=True)),
        )

    return router


async def _result(name: str, check: Callable[[], Awaitable[None]]) -> str:
    try:
        await asyncio.wait_for(check(), _CHECK_SECONDS)
    except TimeoutError:
        return f"no answer in {_CHECK_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 - whatever a check raises is its result
        _log.warning("health check failed", check=name, cause=repr(error))
        # The text of a foreign error may hold an address or a password.
        return error.message if isinstance(error, ServiceError) else type(error).__name__
    return "ok"
