"""Who somebody is: a password compared with the stored hash, telling a stranger nothing but yes or no."""

from pydantic import SecretStr

from services.users.domain import Registration, User, password_text, with_id
from services.users.store import UserStore
from workbook_lib.kit.errors import Unauthenticated
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.security.passwords import Passwords

__all__ = ["Credentials", "WrongCredentials"]


class WrongCredentials(Unauthenticated):
    """The e-mail address or the password is wrong; which of them, isn't told."""

    code = 40102


class Credentials:
    """Registers users with their passwords and verifies them."""

    def __init__(self, store: UserStore, passwords: Passwords) -> None:
        self._store = store
        self._passwords = passwords
        self._log = get_logger(__name__)

    async def register(self, new: Registration) -> User:
        """Store a new user. Raises Conflict when the e-mail address is taken."""
        user = with_id(new)
        hashed = None if new.password is None else await self._passwords.hash(password_text(new.password))
        await self._store.add(user, hashed)
        return user

    async def verify(self, email: str, password: SecretStr) -> User:
        """The user with this address and password. Raises WrongCredentials, after the same time for both."""
        known = await self._store.credential(email)
        right, new_hash = await self._passwords.verify(
            password_text(password), known.password_hash if known else None
        )
        if known is None or not right:
            # Without the address: people type their password there, too.
            self._log.warning("login refused", user_id=known.user.id if known else None)
            raise WrongCredentials("The e-mail address or the password is wrong.")
        if new_hash is not None:
            await self._store.replace_hash(known.user.id, known.password_hash, new_hash)
            self._log.info("password hashed anew", user_id=known.user.id)
        return known.user
