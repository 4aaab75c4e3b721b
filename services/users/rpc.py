"""The users' RPC methods: they translate; the work is in `profiles` and `store`."""

from typing import Any

from grpc.aio import ServicerContext

from services.contracts import users_pb2, users_pb2_grpc
from services.users.profiles import Profiles
from services.users.store import UserStore
from workbook_lib.kit.rpc import RpcServer

__all__ = ["UsersRpc", "add_users"]


class UsersRpc(users_pb2_grpc.UserServiceServicer):
    """`workbook.users.v1.UserService`."""

    def __init__(self, store: UserStore, profiles: Profiles) -> None:
        self._store = store
        self._profiles = profiles

    async def GetUser(  # noqa: N802 (the contract's name)
        self, request: users_pb2.UserRequest, _context: ServicerContext[Any, Any]
    ) -> users_pb2.UserResponse:
        """One user's profile."""
        user = (await self._profiles.get(request.user_id)).user
        return users_pb2.UserResponse(name=user.name, age=user.age or 0)


def add_users(rpc: RpcServer, store: UserStore, profiles: Profiles) -> None:
    """Serve the users' methods by `rpc`, which hasn't started."""
    rpc.add(
        users_pb2_grpc.add_UserServiceServicer_to_server,
        UsersRpc(store, profiles),
        users_pb2.DESCRIPTOR.services_by_name["UserService"].full_name,
    )
