"""The shop's users over HTTP, as they are seen through the gateway."""

from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from services.monolith.store import ShopStore
from services.users.domain import NewUser, User, with_id
from workbook_lib.kit.breaker import Breaker
from workbook_lib.kit.errors import Conflict
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.service import error_answers

__all__ = ["Suggestions", "UserId", "user_routes"]

UserId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class UserPage(BaseModel):
    """Some users; `next` is the `after` of the page behind it, null on the last one."""

    users: list[User]
    next: str | None


class UserView(User):
    """A user, and where this answer was read from: one process has no cache to share."""

    source: Literal["database"] = "database"


class Home(BaseModel):
    """What a user sees first."""

    user: User
    suggestions: list[dict[str, Any]] = Field(description="as recommendations has them, the best first")
    complete: bool = Field(description="false: there may be suggestions, but nobody could be asked")


class Suggested(NamedTuple):
    """What a user may like; nothing when it was `asked` for in vain."""

    items: list[dict[str, Any]]
    asked: bool


class Suggestions:
    """What recommendations says of a user, and nothing while its breaker is open.

    A resource without a `check`: a shop that can do without them isn't sick with them.
    """

    def __init__(self, recommendations: HttpClient, breaker: Breaker) -> None:
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
        return await self._breaker.call(self._asked, user_id, fallback=lambda _: Suggested([], asked=False))

    async def _asked(self, user_id: str) -> Suggested:
        answer = await self._recommendations.get(f"/recommendations/{user_id}")
        return Suggested(answer.json()["items"], asked=True)


def user_routes(store: ShopStore, suggestions: Suggestions) -> APIRouter:
    """List, read and register users."""
    router = APIRouter(prefix="/users")

    @router.get("")
    async def list_users(
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        after: Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{0,64}$")] = "",
    ) -> UserPage:
        """Some users, in the order of their ids."""
        users = await store.users(limit + 1, after)  # One more tells whether there is another page.
        shown = users[:limit]
        return UserPage(users=shown, next=shown[-1].id if len(users) > limit else None)

    @router.get("/{user_id}")
    async def get_user(user_id: UserId) -> UserView:
        return UserView(**(await store.user(user_id)).model_dump())

    @router.get("/{user_id}/home")
    async def home(user_id: UserId, response: Response) -> Home:
        """X-Suggestions tells whether they are what was `asked` for, or the `fallback`."""
        user = await store.user(user_id)
        suggested = await suggestions.of(user.id)
        response.headers["X-Suggestions"] = "asked" if suggested.asked else "fallback"
        return Home(user=user, suggestions=suggested.items, complete=suggested.asked)

    @router.post("", status_code=201, responses=error_answers(Conflict))
    async def register(new: NewUser, response: Response) -> User:
        user = with_id(new)
        await store.add_user(user)
        response.headers["Location"] = f"/users/{user.id}"
        return user

    return router
