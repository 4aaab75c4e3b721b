"""Logging in: for programs with a bearer token, for browsers with a session's cookie.

The user service knows the passwords; what follows from a right one is the gateway's.
"""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Response, Security
from fastapi.security import APIKeyCookie
from pydantic import BaseModel, Field, SecretStr, StringConstraints

from services.gateway.access import Access
from workbook_lib.kit.errors import Conflict, Forbidden, TooManyRequests, Unauthenticated
from workbook_lib.kit.fields import JsonObject
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.security.bearer import BearerToken
from workbook_lib.kit.security.cross_site import refuse_cross_site_write
from workbook_lib.kit.security.session_cookie import LoggedIn
from workbook_lib.kit.security.tokens import Claims, Tokens
from workbook_lib.kit.service import error_answers

__all__ = ["login_routes"]

Password = Annotated[SecretStr, Field(min_length=1, max_length=128)]


class Login(BaseModel):
    """What somebody says who they are."""

    email: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=254)]
    password: Password


class Confirmation(BaseModel):
    """The password once more, for what needs more than a session."""

    password: Password


class Profile(BaseModel):
    """A user, as the user service knows them."""

    id: str
    name: str
    email: str
    age: int | None = None


class Token(BaseModel):
    """A bearer token, in the form of OAuth 2 (RFC 6749, 5.1)."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - no secret, a type
    expires_in: int = Field(description="seconds")


class SessionView(BaseModel):
    """A session, without the id that only the cookie carries."""

    user_id: str
    elevated: bool = Field(description="whether the password was given once more")


class Accounts:
    """What the user service says about passwords, asked no more often than the limit on logins allows."""

    def __init__(self, users: HttpClient, access: Access) -> None:
        self._users = users
        self._access = access

    async def verify(self, request: Request, email: str, password: SecretStr) -> Profile:
        """Whose password this is. Raises Unauthenticated or TooManyRequests."""
        await self._access.limit_login(request, email)
        attempt = {"email": email, "password": password.get_secret_value()}
        return Profile.model_validate((await self._users.post("/accounts/verify", json=attempt)).json())

    async def register(self, request: Request, new: JsonObject) -> Profile:
        """A new user with a password, which costs as much to hash as a login."""
        await self._access.limit_login(request, str(new.get("email")))
        return Profile.model_validate((await self._users.post("/accounts", json=new)).json())

    async def profile(self, user_id: str) -> Profile:
        """The user with this id."""
        return Profile.model_validate((await self._users.get(f"/users/{user_id}")).json())


def login_routes(users: HttpClient, access: Access) -> APIRouter:
    """Accounts, tokens and sessions; no tokens where no keys are configured."""
    router = APIRouter()
    accounts = Accounts(users, access)

    @router.post("/accounts", status_code=201, responses=error_answers(Conflict, TooManyRequests))
    async def register(request: Request, new: Annotated[JsonObject, Body()]) -> Profile:
        """A new user who can log in."""
        return await accounts.register(request, new)

    if access.tokens is not None:
        router.include_router(_token_routes(accounts, access.tokens))
    router.include_router(_session_login_routes(accounts, access))
    router.include_router(_session_routes(accounts, access))
    return router


def _token_routes(accounts: Accounts, tokens: Tokens) -> APIRouter:
    router = APIRouter()
    bearer = BearerToken(tokens)

    @router.post("/login", responses=error_answers(Unauthenticated, TooManyRequests))
    async def log_in(request: Request, login: Login, response: Response) -> Token:
        """A token for whoever knows the password."""
        user = await accounts.verify(request, login.email, login.password)
        response.headers["Cache-Control"] = "no-store"
        return Token(access_token=tokens.issue(user.id), expires_in=tokens.lifetime_seconds)

    @router.get("/me", responses=error_answers(Unauthenticated))
    async def me(claims: Annotated[Claims, Depends(bearer)]) -> Profile:
        """The caller's own profile."""
        return await accounts.profile(claims.subject)

    @router.get("/.well-known/jwks.json")
    async def keys() -> dict[str, list[dict[str, str]]]:
        """The public keys, with which anybody can check our tokens (RFC 7517)."""
        return tokens.key_set()

    return router


def _session_login_routes(accounts: Accounts, access: Access) -> APIRouter:
    router = APIRouter(prefix="/session")

    @router.post("", status_code=201, responses=error_answers(Unauthenticated, Forbidden, TooManyRequests))
    async def log_in(request: Request, login: Login, response: Response) -> SessionView:
        """A session for whoever knows the password, always under a new id."""
        refuse_cross_site_write(request, access.cors)  # nobody is to be logged in as somebody else, either
        user = await accounts.verify(request, login.email, login.password)
        session_id = await access.sessions.log_in(user.id, request.cookies.get(access.cookie.name))
        response.headers["Set-Cookie"] = access.cookie.header(session_id)
        return SessionView(user_id=user.id, elevated=False)

    return router


def _session_routes(accounts: Accounts, access: Access) -> APIRouter:
    cookie, sessions = access.cookie, access.sessions
    scheme = APIKeyCookie(name=cookie.name, scheme_name="session", auto_error=False)  # for the document
    router = APIRouter(
        prefix="/session",
        dependencies=[Security(scheme)],
        responses=error_answers(Unauthenticated, Forbidden),
    )

    @router.get("")
    async def show(current: Annotated[LoggedIn, Depends(access.session)]) -> SessionView:
        """Whose session this is."""
        return SessionView(user_id=current.session.user_id, elevated=current.session.elevated)

    @router.post("/confirmation", responses=error_answers(TooManyRequests))
    async def confirm(
        request: Request,
        confirmation: Confirmation,
        current: Annotated[LoggedIn, Depends(access.session)],
        response: Response,
    ) -> SessionView:
        """More rights for whoever gives the password once more, under a new id."""
        user = await accounts.profile(current.session.user_id)
        await accounts.verify(request, user.email, confirmation.password)
        session_id = await sessions.elevate(current.session_id)
        if session_id is None:
            raise Unauthenticated("The session has ended meanwhile.")
        response.headers["Set-Cookie"] = cookie.header(session_id)
        return SessionView(user_id=user.id, elevated=True)

    @router.delete("", status_code=204)
    async def log_out(current: Annotated[LoggedIn, Depends(access.session)], response: Response) -> None:
        """End the session, for everybody who knows its id."""
        await sessions.log_out(current.session_id)
        response.headers["Set-Cookie"] = cookie.clearing()

    return router
