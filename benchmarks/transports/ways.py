"""Ways to ask the users service the same question: each opens what it needs, asks, and closes it again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import grpc
import httpx2

from services.contracts import users_pb2
from services.contracts.users_pb2_grpc import UserServiceStub

if TYPE_CHECKING:
    from services.contracts.users_pb2_grpc import UserServiceAsyncStub

__all__ = ["WAYS", "Ask", "Service", "Way"]

MANY = 100
USER = "user123"
TIMEOUT_SECONDS = 10.0
# Channels to one target with equal options share a connection, whatever they are opened for.
_OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]


@dataclass(frozen=True)
class Service:
    """Where the two sides of the users service are."""

    url: str
    target: str


Ask = Callable[[], Awaitable[int]]
"""One call; how many users the answer told of."""


@dataclass(frozen=True)
class Way:
    """`open` gives a block in which calls can be made, by many callers at once."""

    name: str
    users: int
    over: str
    open: Callable[[Service], AbstractAsyncContextManager[Ask]]


async def _ask_rpc(stub: UserServiceAsyncStub, users: int, page_size: int) -> int:
    if users == 1:
        answer = await stub.GetUser(users_pb2.UserRequest(user_id=USER), timeout=TIMEOUT_SECONDS)
        return 1 if answer.name else 0
    request = users_pb2.ListUsersRequest(limit=users, page_size=page_size)
    return sum([len(page.users) async for page in stub.ListUsers(request, timeout=TIMEOUT_SECONDS)])


def _one_channel(users: int, page_size: int = MANY) -> Callable[[Service], AbstractAsyncContextManager[Ask]]:
    @asynccontextmanager
    async def opened(service: Service) -> AsyncIterator[Ask]:
        async with grpc.aio.insecure_channel(service.target, options=_OWN_CONNECTION) as channel:
            stub = UserServiceStub(channel)

            async def ask() -> int:
                return await _ask_rpc(stub, users, page_size)

            yield ask

    return opened


def _a_channel_a_call(users: int) -> Callable[[Service], AbstractAsyncContextManager[Ask]]:
    @asynccontextmanager
    async def opened(service: Service) -> AsyncIterator[Ask]:
        async def ask() -> int:
            async with grpc.aio.insecure_channel(service.target, options=_OWN_CONNECTION) as channel:
                return await _ask_rpc(UserServiceStub(channel), users, MANY)

        yield ask

    return opened


def _path(users: int) -> str:
    return f"/users/{USER}" if users == 1 else f"/users?limit={users}"


def _told(body: dict[str, object]) -> int:
    page = body.get("users")
    return len(page) if isinstance(page, list) else int("name" in body)


def _with_aiohttp(users: int) -> Callable[[Service], AbstractAsyncContextManager[Ask]]:
    @asynccontextmanager
    async def opened(service: Service) -> AsyncIterator[Ask]:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(service.url, timeout=timeout, raise_for_status=True) as session:

            async def ask() -> int:
                async with session.get(_path(users)) as answer:
                    return _told(await answer.json())

            yield ask

    return opened


def _with_httpx(users: int) -> Callable[[Service], AbstractAsyncContextManager[Ask]]:
    @asynccontextmanager
    async def opened(service: Service) -> AsyncIterator[Ask]:
        async with httpx2.AsyncClient(
            base_url=service.url, timeout=TIMEOUT_SECONDS, trust_env=False
        ) as client:

            async def ask() -> int:
                return _told((await client.get(_path(users))).raise_for_status().json())

            yield ask

    return opened


def _a_connection_a_call(users: int) -> Callable[[Service], AbstractAsyncContextManager[Ask]]:
    @asynccontextmanager
    async def opened(service: Service) -> AsyncIterator[Ask]:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)

        async def ask() -> int:
            async with (
                aiohttp.ClientSession(service.url, timeout=timeout, raise_for_status=True) as session,
                session.get(_path(users)) as answer,
            ):
                return _told(await answer.json())

        yield ask

    return opened


WAYS = (
    Way("gRPC", 1, "grpc", _one_channel(1)),
    Way("gRPC, a channel a call", 1, "grpc", _a_channel_a_call(1)),
    Way("REST, aiohttp", 1, "rest", _with_aiohttp(1)),
    Way("REST, httpx2", 1, "rest", _with_httpx(1)),
    Way("REST, a connection a call", 1, "rest", _a_connection_a_call(1)),
    Way("gRPC", MANY, "grpc", _one_channel(MANY)),
    Way("gRPC, a message a user", MANY, "grpc", _one_channel(MANY, page_size=1)),
    Way("REST, aiohttp", MANY, "rest", _with_aiohttp(MANY)),
    Way("REST, httpx2", MANY, "rest", _with_httpx(MANY)),
)
