"""An instance's own registration: announced, kept, withdrawn."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.consul.client import Consul
from workbook_lib.kit.consul.model import ConsulError, Registration
from workbook_lib.kit.logs import get_logger

__all__ = ["registered"]

_log = get_logger(__name__)


@contextlib.asynccontextmanager
async def registered(
    consul: Consul, registration: Registration, *, interval_seconds: float = 10.0, clock: Clock = SYSTEM_CLOCK
) -> AsyncIterator[None]:
    """In Consul while open; every `interval_seconds` an agent that has forgotten the instance is told again.

    A Consul that is away then must not keep anybody from stopping: its errors are logged. Raises ConsulError
    when the first registration fails.
    """
    await consul.register(registration)
    _log.info("registered", consul=consul.url)
    keeper = asyncio.create_task(
        _keep(consul, registration, interval_seconds, clock), name=f"registration of {registration.id}"
    )
    try:
        yield
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        try:
            await consul.deregister(registration.id)
            _log.info("deregistered", consul=consul.url)
        except ConsulError as error:
            _log.warning("not deregistered", cause=error.message)


async def _keep(consul: Consul, registration: Registration, interval_seconds: float, clock: Clock) -> None:
    while True:
        await clock.sleep(interval_seconds)
        # Only when it is missing: each registration starts the check's interval anew.
        with contextlib.suppress(ConsulError):
            if not await consul.is_registered(registration.id):
                await consul.register(registration)
                _log.warning("registered again", consul=consul.url)
