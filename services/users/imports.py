"""Registering many users from a stream: in batches, and one that is refused doesn't stop the others."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from services.users.domain import NewUser, User, with_id
from services.users.store import UserStore
from workbook_lib.kit.errors import InvalidRequest, ServiceError

__all__ = ["Refusal", "UserImport"]

_BATCH = 100
_MOST_REFUSALS = 100


class Refusal(NamedTuple):
    """A row that wasn't stored: its place in the stream, from 0, and why."""

    place: int
    error: ServiceError


class UserImport:
    """One import. Counts what was imported and refused, and keeps the first hundred refusals."""

    def __init__(self, store: UserStore) -> None:
        self._store = store
        self._taken = 0
        self._waiting: list[tuple[int, User]] = []
        self._refusals: list[Refusal] = []
        self.imported = 0
        self.refused = 0

    @property
    def refusals(self) -> list[Refusal]:
        """The first of them, in the stream's order."""
        return sorted(self._refusals, key=lambda refusal: refusal.place)

    async def take(self, row: Mapping[str, Any]) -> None:
        """The stream's next row; it is stored with its batch."""
        place, self._taken = self._taken, self._taken + 1
        try:
            self._waiting.append((place, with_id(NewUser.model_validate(row))))
        except ValidationError as error:
            self._refuse(place, InvalidRequest("not a user", details=_faults(error)))
        if len(self._waiting) >= _BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Store what is waiting: a transaction a batch, and one a row only where a batch is refused."""
        waiting, self._waiting = self._waiting, []
        refused = await self._store.add_many([user for _, user in waiting])
        for number, error in refused.items():
            self._refuse(waiting[number][0], error)
        self.imported += len(waiting) - len(refused)

    def _refuse(self, place: int, error: ServiceError) -> None:
        self.refused += 1
        if len(self._refusals) < _MOST_REFUSALS:
            self._refusals.append(Refusal(place, error))


def _faults(error: ValidationError) -> list[dict[str, str]]:
    return [
        {"field": ".".join(map(str, problem["loc"])), "message": problem["msg"]}
        for problem in error.errors(include_url=False, include_input=False)
    ]
