"""GET /health: which service and instance answers here, and whether what it depends on is well."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import Response
from pydantic import BaseModel, Field

from workbook_lib.kit.errors import ServiceError
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.service.resources import Resources
from workbook_lib.kit.settings import ServiceSettings

__all__ = ["Health", "HealthEndpoint"]

_CHECK_SECONDS = 1.0

_log = get_logger(__name__)


class Health(BaseModel):
    """The state of one instance; a failing one answers 503 and so leaves Consul's passing list."""

    status: Literal["ok", "failing"]
    service: str
    instance: str
    checks: dict[str, str] = Field(description="by resource: ok, or what is wrong")


class HealthEndpoint:
    """GET /health over the checks of what the service owns, all asked at once and each within a bound."""

    def __init__(self, settings: ServiceSettings, *owned: Resources) -> None:
        self._settings = settings
        self._owned = owned

    async def report(self, response: Response) -> Health:
        """The state now; also sets the response's status."""
        checks = [check for resources in self._owned for check in resources.checks()]
        results = await asyncio.gather(*(_result(name, check) for name, check in checks))
        failing = any(result != "ok" for result in results)
        response.status_code = 503 if failing else 200
        return Health(
            status="failing" if failing else "ok",
            service=self._settings.service,
            instance=self._settings.instance,
            checks={name: result for (name, _), result in zip(checks, results, strict=True)},
        )


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
