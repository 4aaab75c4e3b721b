"""The users' routes: they translate; the work is in `profiles` and `store`."""

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from fastapi import APIRouter, Cookie, Form, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.contracts import names
from services.contracts.orders_pb2_grpc import OrderServiceStub
from services.users.accounts import Accounts, account_routes
from services.users.domain import NewUser, NewUserForm, User, with_id
from services.users.home import Suggestions, home_routes
from services.users.ordering import order_routes
from services.users.profiles import Profiles
from services.users.rpc import users_rpc
from services.users.settings import UsersSettings
from services.users.store import Base, UserStore
from workbook_lib.kit.breaker import Breakers
from workbook_lib.kit.cache import Cache
from workbook_lib.kit.discovery import Directory
from workbook_lib.kit.errors import Conflict
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.kit.security.passwords import Passwords
from workbook_lib.kit.service import Service, error_answers
from workbook_lib.kit.storage import Database

if TYPE_CHECKING:
    from services.contracts.orders_pb2_grpc import OrderServiceAsyncStub

__all__ = ["Clients", "build"]

UserId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
PageSize = Annotated[int, Field(ge=1, le=100)]


class Clients(NamedTuple):
    """What users calls."""

    orders: "RpcClient[OrderServiceAsyncStub]"
    recommendations: HttpClient


class UserListing(BaseModel):
    """How many users, and from where. An unknown parameter is refused: it may be a misspelt one."""

    model_config = ConfigDict(extra="forbid")

    limit: PageSize | None = Field(default=None, description="by default the cookie's page_size")
    after: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,64}$", description="`next` of the page before")


class UserPage(BaseModel):
    """Some users; `next` is the `after` of the page behind it, null on the last one."""

    users: list[User]
    next: str | None


class UserView(User):
    """A user, and where this answer was read from."""

    source: Literal["cache", "database"]


def user_routes(store: UserStore, profiles: Profiles) -> APIRouter:
    """List and read users."""
    router = APIRouter(prefix="/users")

    @router.get("")
    async def list_users(
        listing: Annotated[UserListing, Query()],
        page_size: Annotated[PageSize, Cookie(description="how many users this reader likes to see")] = 20,
    ) -> UserPage:
        """Some users, in the order of their ids."""
        size = page_size if listing.limit is None else listing.limit
        users = await store.page(size + 1, listing.after)  # One more tells whether there is another page.
        shown = users[:size]
        return UserPage(users=shown, next=shown[-1].id if len(users) > size else None)

    @router.get("/{user_id}")
    async def get_user(user_id: UserId) -> UserView:
        user, source = await profiles.get(user_id)
        return UserView(**user.model_dump(), source=source)

    return router


def registration_routes(store: UserStore) -> APIRouter:
    """Register users, from JSON and from forms."""
    router = APIRouter(prefix="/users")

    async def add(new: NewUser, response: Response) -> User:
        user = with_id(new)
        await store.add(user)
        response.headers["Location"] = f"/users/{user.id}"
        return user

    @router.post("", status_code=201, response_model=User, responses=error_answers(Conflict))
    async def register(
        new: NewUser, response: Response, prefer: Annotated[str, Header(max_length=200)] = ""
    ) -> User | Response:
        """A new user from JSON; `Prefer: return=minimal` spares the body of the answer (RFC 7240)."""
        user = await add(new, response)
        if "return=minimal" not in prefer.replace(" ", "").split(","):
            return user
        headers = {"Location": response.headers["Location"], "Preference-Applied": "return=minimal"}
        return Response(status_code=201, headers=headers)

    @router.post("/form", status_code=201, responses=error_answers(Conflict))
    async def register_form(new: Annotated[NewUserForm, Form()], response: Response) -> User:
        """A new user from the fields of an HTML form; the rules are the same.

        A path of its own, because what reads JSON alone can't be reached by a form on a foreign page: for
        that, a browser asks first (CORS).
        """
        return await add(new, response)

    return router


def build(settings: UsersSettings, clients: Clients | None = None) -> Service:
    """The service, not started."""
    service = Service(settings, title="Users")
    if clients is None:
        directory = Directory(settings.consul_http_addr, token=settings.consul_token)
        service.add_resource(directory)
        orders = directory.find(names.ORDERS, settings.orders_url)
        likes = directory.find(names.RECOMMENDATIONS, settings.recommendations_url)
        clients = Clients(
            RpcClient(orders, OrderServiceStub, timeout_seconds=settings.order_timeout_seconds),
            HttpClient(likes, timeout_seconds=settings.recommendations_timeout_seconds),
        )
    database = Database(settings.database_url, metadata=Base.metadata)
    # Everybody can read the demo's passwords.
    demo_credentials = None if settings.environment == "prod" else settings.credentials_file
    store = UserStore(database, settings.seed_file, demo_credentials)
    profiles = Profiles(store, Cache(settings.redis_url, namespace="users"), settings.profile_ttl_seconds)
    breakers = Breakers(settings.breaker)
    service.add_breakers(breakers)
    guarding = breakers.of(names.RECOMMENDATIONS) if settings.home_protected else None
    suggestions = Suggestions(clients.recommendations, guarding)
    for resource in (clients.orders, suggestions, database, store, profiles):
        service.add_resource(resource)
    service.app.include_router(user_routes(store, profiles))
    service.app.include_router(home_routes(profiles, suggestions))
    service.app.include_router(registration_routes(store))
    service.app.include_router(order_routes(profiles, clients.orders))
    service.app.include_router(account_routes(Accounts(store, Passwords())))
    if settings.grpc_port is not None:
        service.add_rpc(users_rpc(settings, settings.grpc_port, store, profiles))
    return service
