"""The users' own database."""

import json
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.users.domain import User
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.storage import Database

__all__ = ["Base", "UserStore"]


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


class UserStore:
    """Users. As a resource it fills an empty database from `seed_file` at start."""

    def __init__(self, database: Database, seed_file: Path | None = None) -> None:
        self._database = database
        self._seed_file = seed_file

    async def start(self) -> None:
        """Load the seed when there are no users yet."""
        if self._seed_file is None:
            return
        users = [
            User.model_validate(item) for item in json.loads(self._seed_file.read_text(encoding="utf-8"))
        ]
        try:
            async with self._database.session() as session:
                if await session.scalar(select(UserRow.id).limit(1)) is None:
                    await session.execute(insert(UserRow), [user.model_dump() for user in users])
        except IntegrityError:
            pass  # Another instance on the same database was faster.

    async def stop(self) -> None:
        """Nothing is held open."""

    async def get(self, user_id: str) -> User:
        """The user with this id. Raises NotFound."""
        async with self._database.session() as session:
            row = await session.get(UserRow, user_id)
            if row is None:
                raise NotFound(f"no user {user_id!r}")
            return row.user()

    async def page(self, limit: int, after: str = "") -> list[User]:
        """Up to `limit` users whose id comes after `after`, in the order of their ids."""
        query = select(UserRow).where(UserRow.id > after).order_by(UserRow.id).limit(limit)
        async with self._database.session() as session:
            return [row.user() for row in await session.scalars(query)]

    async def add(self, user: User) -> None:
        """Store a new user. Raises Conflict when the e-mail address is taken."""
        try:
            async with self._database.session() as session:
                await session.execute(insert(UserRow).values(user.model_dump()))
        except IntegrityError as error:
            raise Conflict(f"{user.email} is registered already") from error
