"""Litestar, its answer serialised by msgspec."""

from __future__ import annotations

from litestar import Litestar, get

from benchmarks.contenders.data import User, user


@get("/users/{user_id:int}")
async def get_user(user_id: int) -> User:
    """The route."""
    return user(user_id)


app = Litestar([get_user])
