"""The users' RPC methods: they translate; the work is in `profiles`, `imports` and `store`."""

from collections.abc import AsyncIterator
from typing import Any, Final

from grpc.aio import ServicerContext

from services.contracts import users_pb2, users_pb2_grpc
from services.users.domain import User
from services.users.imports import UserImport
from services.users.profiles import Profiles
from services.users.settings import UsersSettings
from services.users.store import UserStore
from workbook_lib.kit.errors import InvalidRequest, ServiceError
from workbook_lib.kit.failpoints import failpoint
from workbook_lib.kit.rpc import OperatorMethods, RequestIds, RpcServer, status_message

__all__ = ["UsersRpc", "users_rpc"]

_SERVICE: Final = users_pb2.DESCRIPTOR.services_by_name["UserService"].full_name
_FOR_OPERATORS: Final = (f"/{_SERVICE}/ImportUsers",)
_PAGE_SIZE, _MOST_A_PAGE, _ROWS_A_QUERY = 100, 1000, 500

Context = ServicerContext[Any, Any]


class UsersRpc(users_pb2_grpc.UserServiceServicer):
    """`workbook.users.v1.UserService`."""

    def __init__(self, store: UserStore, profiles: Profiles) -> None:
        self._store = store
        self._profiles = profiles

    async def GetUser(  # noqa: N802 (the contract's name)
        self, request: users_pb2.UserRequest, _context: Context
    ) -> users_pb2.UserResponse:
        """One user's profile."""
        failpoint("users.get-user")
        user = (await self._profiles.get(request.user_id)).user
        return users_pb2.UserResponse(name=user.name, age=user.age or 0)

    async def ListUsers(  # noqa: N802
        self, request: users_pb2.ListUsersRequest, _context: Context
    ) -> AsyncIterator[users_pb2.UserPage]:
        """Everybody, a page a message. Read in short transactions: a slow reader holds none open."""
        if request.limit < 0 or not 0 <= request.page_size <= _MOST_A_PAGE:
            raise InvalidRequest(f"limit is 0 or more, page_size 0 to {_MOST_A_PAGE}")
        size = request.page_size or _PAGE_SIZE
        after, left = request.after, request.limit or None
        while left is None or left > 0:
            wanted = size * max(1, _ROWS_A_QUERY // size)
            users = await self._store.page(wanted if left is None else min(wanted, left), after)
            for first in range(0, len(users), size):
                yield users_pb2.UserPage(users=map(_message, users[first : first + size]))
            if len(users) < wanted:
                return
            after, left = users[-1].id, None if left is None else left - wanted

    async def ImportUsers(  # noqa: N802
        self, request_iterator: AsyncIterator[users_pb2.NewUser], _context: Context
    ) -> users_pb2.ImportSummary:
        """Register whom the stream brings."""
        importing = UserImport(self._store)
        async for row in request_iterator:
            age = row.age if row.HasField("age") else None
            await importing.take({"name": row.name, "email": row.email, "age": age})
        await importing.flush()
        refusals = [
            users_pb2.RefusedUser(place=refusal.place, error=status_message(refusal.error))
            for refusal in importing.refusals
        ]
        return users_pb2.ImportSummary(
            imported=importing.imported, refused=importing.refused, refusals=refusals
        )

    async def LookUp(  # noqa: N802
        self, request_iterator: AsyncIterator[users_pb2.UserRequest], _context: Context
    ) -> AsyncIterator[users_pb2.LookUpResponse]:
        """An answer for each question. The next question is read when the transport has taken the answer."""
        async for request in request_iterator:
            yield await self._found(request.user_id)

    async def _found(self, user_id: str) -> users_pb2.LookUpResponse:
        try:
            user = (await self._profiles.get(user_id)).user
        except ServiceError as error:
            return users_pb2.LookUpResponse(user_id=user_id, error=status_message(error))
        return users_pb2.LookUpResponse(user_id=user_id, user=_message(user))


def users_rpc(settings: UsersSettings, port: int, store: UserStore, profiles: Profiles) -> RpcServer:
    """The server of the users' methods, not started."""
    guards = [RequestIds(), OperatorMethods(settings.operator_token, _FOR_OPERATORS)]
    rpc = RpcServer(settings.host, port, interceptors=guards)
    rpc.add(users_pb2_grpc.add_UserServiceServicer_to_server, UsersRpc(store, profiles), _SERVICE)
    return rpc


def _message(user: User) -> users_pb2.User:
    return users_pb2.User(id=user.id, name=user.name, email=user.email, age=user.age)
