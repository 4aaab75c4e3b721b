"""A user's home: who they are, and what they may like. It can do without the second, and so it does."""

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from services.users.domain import User
from services.users.profiles import Profiles
from workbook_lib.kit.breaker import Breaker
from workbook_lib.kit.http import HttpClient

__all__ = ["Home", "Suggestions", "home_routes"]

UserId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Suggested(NamedTuple):
    """What a user may like; nothing when it was `asked` for in vain."""

    items: list[dict[str, Any]]
    asked: bool


class Suggestions:
    """What recommendations says of a user, through a breaker, and nothing where it doesn't say anything.

    A resource, deliberately without a `check`: a service that can do without another isn't sick with it.
    Without a breaker each caller waits for it as long as the client does, and gets its errors.
    """

    def __init__(self, recommendations: HttpClient, breaker: Breaker | None) -> None:
        self._recommendations = recommendations
        self._breaker = breaker

    async def start(self) -> None:
        """Open the connections."""
        await self._recommendations.start()

    async def stop(self) -> None:
        """Close them."""
        await self._recommendations.stop()

    async def of(self, user_id: str) -> Suggested:
        """The best first."""
        if self._breaker is None:
            return await self._asked(user_id)
        return await self._breaker.call(self._asked, user_id, fallback=lambda _: Suggested([], asked=False))

    async def _asked(self, user_id: str) -> Suggested:
        answer = await self._recommendations.get(f"/recommendations/{user_id}")
        return Suggested(answer.json()["items"], asked=True)


class Home(BaseModel):
    """What a user sees first."""

    user: User
    suggestions: list[dict[str, Any]] = Field(description="as recommendations has them, the best first")
    complete: bool = Field(description="false: there may be suggestions, but nobody could be asked")


def home_routes(profiles: Profiles, suggestions: Suggestions) -> APIRouter:
    """A user's home."""
    router = APIRouter(prefix="/users")

    @router.get("/{user_id}/home")
    async def home(user_id: UserId, response: Response) -> Home:
        """X-Suggestions tells whether they are what was `asked` for, or the `fallback`."""
        user = (await profiles.get(user_id)).user
        suggested = await suggestions.of(user.id)
        response.headers["X-Suggestions"] = "asked" if suggested.asked else "fallback"
        return Home(user=user, suggestions=suggested.items, complete=suggested.asked)

    return router
