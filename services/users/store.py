"""The users' own database."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import ForeignKey, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.users.domain import User
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.storage import Database

__all__ = ["Base", "Credential", "UserStore"]


class Base(DeclarativeBase):
    """The users' tables."""


class UserRow(Base):
    """A `User`."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    age: Mapped[int | None]

    def user(self) -> User:
        """The user that this row stores."""
        return User(id=self.id, name=self.name, email=self.email, age=self.age)


class CredentialRow(Base):
    """How a user logs in. A table of its own: what reads profiles, or caches them, never holds a hash."""

    __tablename__ = "credentials"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    password_hash: Mapped[str]


class Credential(NamedTuple):
    """A user, and the hash that a password has to match."""

    user: User
    password_hash: str


class UserStore:
    """Users. As a resource it fills an empty database at start: from `seed_file`, passwords from another."""

    def __init__(
        self, database: Database, seed_file: Path | None = None, credentials_file: Path | None = None
    ) -> None:
        self._database = database
        self._seed_file = seed_file
        self._credentials_file = credentials_file

    async def start(self) -> None:
        """Load the seed when there are no users yet."""
        users = [User.model_validate(item).model_dump() for item in _read(self._seed_file)]
        if not users:
            return
        credentials = _read(self._credentials_file)
        try:
            async with self._database.session() as session:
                if await session.scalar(select(UserRow.id).limit(1)) is None:
                    await session.execute(insert(UserRow), users)
                    if credentials:
                        await session.execute(insert(CredentialRow), credentials)
        except IntegrityError:
            pass  # Another instance on the same database was faster.

    async def stop(self) -> None:
        """Nothing is held open."""

    async def get(self, user_id: str) -> User:
        """The user with this id. Raises NotFound."""
        async with self._database.session(read_only=True) as session:
            row = await session.get(UserRow, user_id)
            if row is None:
                raise NotFound(f"no user {user_id!r}")
            return row.user()

    async def page(self, limit: int, after: str = "") -> list[User]:
        """Up to `limit` users whose id comes after `after`, in the order of their ids."""
        query = select(UserRow).where(UserRow.id > after).order_by(UserRow.id).limit(limit)
        async with self._database.session(read_only=True) as session:
            return [row.user() for row in await session.scalars(query)]

    async def add(self, user: User, password_hash: str | None = None) -> None:
        """Store a new user, who can log in with a password. Raises Conflict when the address is taken."""
        try:
            async with self._database.session() as session:
                await session.execute(insert(UserRow).values(user.model_dump()))
                if password_hash is not None:
                    row = {"user_id": user.id, "password_hash": password_hash}
                    await session.execute(insert(CredentialRow).values(row))
        except IntegrityError as error:
            raise Conflict(f"{user.email} is registered already") from error

    async def add_many(self, users: Sequence[User]) -> dict[int, Conflict]:
        """Store new users in one transaction if all can be; else one by one. Who can't be, by place."""
        if not users:
            return {}
        try:
            async with self._database.session() as session:
                await session.execute(insert(UserRow), [user.model_dump() for user in users])
        except IntegrityError:
            refused: dict[int, Conflict] = {}
            for place, user in enumerate(users):
                try:
                    await self.add(user)
                except Conflict as error:
                    refused[place] = error
            return refused
        return {}

    async def credential(self, email: str) -> Credential | None:
        """How the user with this address logs in; None when there is none, or without a password."""
        query = select(UserRow, CredentialRow).join(CredentialRow).where(UserRow.email == email)
        async with self._database.session() as session:
            found = (await session.execute(query)).first()
            return Credential(found[0].user(), found[1].password_hash) if found else None

    async def replace_hash(self, user_id: str, old: str, new: str) -> None:
        """Store a new hash of the same password, unless the password was changed meanwhile."""
        replacing = (
            update(CredentialRow)
            .where(CredentialRow.user_id == user_id, CredentialRow.password_hash == old)
            .values(password_hash=new)
        )
        async with self._database.session() as session:
            await session.execute(replacing)


def _read(file: Path | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file else []
    return rows
