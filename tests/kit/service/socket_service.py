"""The service with WebSockets that test_websockets.py starts as a process."""

from fastapi import WebSocket
from pydantic_settings import SettingsConfigDict

from workbook_lib.kit.errors import Forbidden
from workbook_lib.kit.service import Service, main
from workbook_lib.kit.service.websockets import WebSocketLimits
from workbook_lib.kit.settings import ServiceSettings


class SocketSettings(ServiceSettings):
    """Settings of the demo."""

    model_config = SettingsConfigDict(env_prefix="DEMO_")

    service: str = "sockets"
    ping_seconds: float = 20.0


def build(settings: SocketSettings) -> Service:
    """Echo, and three ways to fail."""
    service = Service(settings, title="Sockets")
    service.websockets.limits = WebSocketLimits(1000, settings.ping_seconds, settings.ping_seconds)

    @service.app.websocket("/echo/{name}")
    async def echo(websocket: WebSocket, name: str) -> None:
        if name == "closed":
            raise Forbidden("not in here")
        await websocket.accept()
        async for text in websocket.iter_text():
            if text == "bug":
                raise RuntimeError("secret of the inside")
            if text == "forbidden":
                raise Forbidden("not this")
            await websocket.send_text(text)

    @service.app.websocket("/bug")
    async def bug(websocket: WebSocket) -> None:
        raise RuntimeError("before the handshake")

    return service


if __name__ == "__main__":
    main(SocketSettings, build)
