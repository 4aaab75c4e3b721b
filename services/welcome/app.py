"""A first service: it greets, and echoes the path that was asked for."""

from fastapi import Response
from fastapi.responses import PlainTextResponse
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts import names
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings

__all__ = ["WelcomeSettings", "build"]


class WelcomeSettings(ServiceSettings):
    """Settings of the welcome service."""

    model_config = SettingsConfigDict(env_prefix="WELCOME_")

    service: str = names.WELCOME
    port: int = 8080
    greeting: str = Field(
        default="Welcome to the Microservices Workbook!", description="first line of every answer"
    )


def build(settings: WelcomeSettings) -> Service:
    """The service, not started."""
    service = Service(settings, title="Welcome")

    @service.app.get("/{path:path}", response_class=PlainTextResponse)
    async def greet(path: str, response: Response) -> str:
        response.headers["X-Served-By"] = settings.instance
        return f"{settings.greeting}\nYou asked for /{path}\n"

    return service
