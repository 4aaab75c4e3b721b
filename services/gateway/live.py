"""A service that is deployed blue-green: the gateway calls whichever deployment Consul says is live."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from services.gateway.settings import GatewaySettings
from workbook_lib.kit.consul import Consul
from workbook_lib.kit.deployments import LiveInstances
from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.http import HttpClient

__all__ = ["LiveService", "live_routes"]

# It becomes the path of another request.
PlainPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9/_-]{0,200}$")]
_PASSED_ON = ("content-type", "x-version")


class Deployment(BaseModel):
    """Which deployment of a service this gateway calls."""

    service: str
    live: str | None = Field(description="where calls go; null: there is nothing to choose from")
    wanted: str | None = Field(description="what Consul says; differs from live until it has an instance")


class LiveService:
    """One service, and the client that calls its live deployment; without Consul, its fixed address.

    A resource. A call chooses its instance when it begins and stays there: a switch breaks none.
    """

    def __init__(self, settings: GatewaySettings, service: str, fixed_url: str) -> None:
        self.service = service
        address = settings.consul_http_addr
        self._consul = Consul(address, token=settings.consul_token) if address else None
        self._live = LiveInstances(self._consul, service, settings.environment) if self._consul else None
        source = self._live or StaticInstances.at(fixed_url)
        self.client = HttpClient(source, timeout_seconds=settings.timeout_seconds)

    @property
    def deployment(self) -> Deployment:
        """The state of the switch."""
        if self._live is None:
            return Deployment(service=self.service, live=None, wanted=None)
        return Deployment(service=self.service, live=self._live.live, wanted=self._live.wanted)

    async def start(self) -> None:
        """Follow the switch, then open the connections."""
        if self._live is not None:
            await self._live.start()
        await self.client.start()

    async def stop(self) -> None:
        """Close the connections and end the watches."""
        await self.client.stop()
        if self._live is not None:
            await self._live.stop()
        if self._consul is not None:
            await self._consul.stop()


def live_routes(live: LiveService) -> APIRouter:
    """Everything under `/<service>/` is the service's; `/deployments/<service>` tells who answers there."""
    router = APIRouter()

    # The paths below are the service's own, and so is their description.
    @router.api_route(f"/{live.service}/{{path:path}}", methods=["GET", "POST"], include_in_schema=False)
    async def forward(path: PlainPath, request: Request) -> Response:
        answer = await live.client.request(
            request.method,
            f"/{path}",
            params=dict(request.query_params),
            content=await request.body(),
            headers={name: request.headers[name] for name in ("content-type",) if name in request.headers},
        )
        headers = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
        return Response(answer.content, answer.status_code, headers)

    @router.get(f"/deployments/{live.service}")
    async def deployment() -> Deployment:
        return live.deployment

    return router
