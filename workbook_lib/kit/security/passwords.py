"""Password hashes: Argon2id, computed off the event loop, and verified in the same time for nobody."""

import asyncio
import base64
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

__all__ = ["RECOMMENDED", "Cost", "Passwords", "Verified"]


class Cost(NamedTuple):
    """What one hash costs whoever computes it, an attacker too.

    The default is OWASP's first recommendation (Password Storage Cheat Sheet); RFC 9106 suggests 64 MiB, 3
    iterations and 4 lanes where memory allows.
    """

    memory_kib: int = 19 * 1024
    iterations: int = 2
    lanes: int = 1


RECOMMENDED = Cost()


class Verified(NamedTuple):
    """Whether the password was right; `new_hash` replaces a stored one that was made at another cost."""

    right: bool
    new_hash: str | None = None


class Passwords:
    """Hashes and verifies passwords.

    At most `at_once` hashes are computed at a time: each takes a core and `memory_kib`, and anybody can ask
    for one by trying to log in.
    """

    def __init__(self, cost: Cost = RECOMMENDED, *, at_once: int = 2) -> None:
        self._hashes = PasswordHash([Argon2Hasher(cost.iterations, cost.memory_kib, cost.lanes)])
        self._threads = ThreadPoolExecutor(at_once, "password")
        # Well formed, at the same cost, and of no password: refusing it takes the same computation.
        settings = f"m={cost.memory_kib},t={cost.iterations},p={cost.lanes}"
        self._nobodys = f"$argon2id$v=19${settings}${_random(16)}${_random(32)}"

    async def hash(self, password: str) -> str:
        """The hash to store, with its salt and cost, in PHC string format."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hashes.hash, password)

    async def verify(self, password: str, stored: str | None) -> Verified:
        """Compare with the stored hash; None, for a user who doesn't exist or has none, takes as long."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._verified, password, stored or self._nobodys
        )

    def _verified(self, password: str, stored: str) -> Verified:
        try:
            return Verified(*self._hashes.verify_and_update(password, stored))
        except UnknownHashError:
            return Verified(right=False)


def _random(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")
