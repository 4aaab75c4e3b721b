"""What every contender answers."""

from __future__ import annotations

from typing import TypedDict

__all__ = ["User", "user"]


class User(TypedDict):
    """A user, as JSON."""

    id: int
    name: str
    email: str
    roles: list[str]


def user(user_id: int) -> User:
    """The user of a number."""
    return {
        "id": user_id,
        "name": f"user {user_id}",
        "email": f"user{user_id}@example.com",
        "roles": ["customer", "reviewer"],
    }
