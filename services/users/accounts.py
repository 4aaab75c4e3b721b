"""Accounts: users who can log in. A password goes in, and nothing comes out but who it is, or no."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, SecretStr, StringConstraints

from services.users.account_rules import NewAccount, Password
from services.users.domain import NewUser, User, with_id
from services.users.store import UserStore
from workbook_lib.kit.errors import Conflict, Unauthenticated
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.security.passwords import Passwords
from workbook_lib.kit.service import error_answers

__all__ = ["Accounts", "WrongCredentials", "account_routes"]


class WrongCredentials(Unauthenticated):
    """The e-mail address or the password is wrong; which of the two isn't told."""

    code = 40102


class LoginAttempt(BaseModel):
    """What somebody says who they are."""

    email: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=254)]
    password: Password


class Accounts:
    """Registers accounts and verifies their passwords."""

    def __init__(self, store: UserStore, passwords: Passwords) -> None:
        self._store = store
        self._passwords = passwords
        self._log = get_logger(__name__)

    async def register(self, new: NewAccount) -> User:
        """Store a new user with a password. Raises Conflict when the e-mail address is taken."""
        user = with_id(NewUser(name=new.name, email=new.email, age=new.age))
        await self._store.add(user, await self._passwords.hash(new.password.get_secret_value()))
        return user

    async def verify(self, email: str, password: SecretStr) -> User:
        """The user with this address and password. Raises WrongCredentials, after the same time for both."""
        known = await self._store.credential(email)
        stored = known.password_hash if known else None
        right, new_hash = await self._passwords.verify(password.get_secret_value(), stored)
        if known is None or not right:
            # Without the address: people type their password there, too.
            self._log.warning("login refused", user_id=known.user.id if known else None)
            raise WrongCredentials("The e-mail address or the password is wrong.")
        if new_hash is not None:
            await self._store.replace_hash(known.user.id, known.password_hash, new_hash)
            self._log.info("password hashed anew", user_id=known.user.id)
        return known.user


def account_routes(accounts: Accounts) -> APIRouter:
    """Register with a password, and verify one."""
    router = APIRouter(prefix="/accounts")

    @router.post("", status_code=201, responses=error_answers(Conflict))
    async def register(new: NewAccount) -> User:
        """A new user who can log in."""
        return await accounts.register(new)

    @router.post("/verify", responses=error_answers(Unauthenticated))
    async def verify(attempt: LoginAttempt) -> User:
        """Whose password this is; 40102 when it is nobody's."""
        return await accounts.verify(attempt.email, attempt.password)

    return router
