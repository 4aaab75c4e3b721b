"""A service with two middlewares that say when they are passed; chapter 2.3.2 serves it."""

from starlette.types import ASGIApp, Receive, Scope, Send

from workbook_lib.kit import logs
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings

__all__ = ["Announce", "app"]

logs.configure("onion", "onion-1")
log = get_logger("onion")


class Announce:
    """Pure ASGI: what stands before `await` happens on the way in, what stands after it on the way out."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self.app, self.name = app, name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say so, pass the request on, say so again."""
        if scope["type"] == "http":
            log.info(f"{self.name}: in")
        await self.app(scope, receive, send)
        if scope["type"] == "http":
            log.info(f"{self.name}: out")


service = Service(ServiceSettings(service="onion"), title="Onion")
service.add_middleware(Announce, name="added first")
service.add_middleware(Announce, name="added second")
app = service.app


@app.get("/hello")
async def hello() -> str:
    """Answer."""
    log.info("the route")
    return "hello"


@app.get("/bug")
async def bug() -> str:
    """Fail, as code does that nobody has tested."""
    prices: dict[str, str] = {}
    return prices["keyboard"]
