"""Password hashes: slow on purpose, off the event loop, and as slow for a user who isn't there."""

import asyncio
import statistics
import time

import pytest

from workbook_lib.kit.security.passwords import RECOMMENDED, Cost, Passwords

CHEAP = Cost(memory_kib=64, iterations=1)
PASSWORD = "correct horse battery staple"


async def test_a_hash_is_argon2id_with_its_cost_and_a_salt_of_its_own() -> None:
    passwords = Passwords(RECOMMENDED)
    one, other = await passwords.hash(PASSWORD), await passwords.hash(PASSWORD)
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert one != other
    assert PASSWORD not in one


async def test_the_right_password_and_no_other_is_verified() -> None:
    passwords = Passwords(CHEAP)
    stored = await passwords.hash(PASSWORD)
    assert await passwords.verify(PASSWORD, stored) == (True, None)
    for wrong in ("", PASSWORD[:-1], PASSWORD + " ", PASSWORD.upper()):
        assert await passwords.verify(wrong, stored) == (False, None)


@pytest.mark.parametrize("stored", [None, "", "plain", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_nobody_has_no_password_that_is_right(stored: str | None) -> None:
    for password in ("", "plain", PASSWORD):
        assert not (await Passwords(CHEAP).verify(password, stored)).right


async def test_a_hash_of_another_cost_is_replaced_when_its_password_is_known() -> None:
    stored = await Passwords(CHEAP).hash(PASSWORD)
    dearer = Passwords(Cost(memory_kib=128, iterations=1))
    right, new_hash = await dearer.verify(PASSWORD, stored)
    assert right
    assert new_hash is not None
    assert "m=128," in new_hash
    assert await dearer.verify(PASSWORD, new_hash) == (True, None)
    assert await dearer.verify("wrong", stored) == (False, None)


async def test_refusing_an_unknown_user_takes_as_long_as_a_wrong_password() -> None:
    """Otherwise the time tells who is registered. A shortcut would be a hundred times faster."""
    passwords = Passwords(Cost(memory_kib=8 * 1024, iterations=2))
    stored = await passwords.hash(PASSWORD)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(9):
        for known in (True, False):
            started = time.process_time()  # others on the machine take none of it
            await passwords.verify("wrong", stored if known else None)
            seconds[known].append(time.process_time() - started)
    known, unknown = statistics.median(seconds[True]), statistics.median(seconds[False])
    assert 0.5 < unknown / known < 2


async def test_the_event_loop_goes_on_while_hashes_are_computed() -> None:
    passwords = Passwords(Cost(memory_kib=32 * 1024, iterations=4), at_once=1)

    async def turns() -> int:
        hashing = asyncio.create_task(passwords.hash(PASSWORD))
        turns = 0
        while not hashing.done():
            await asyncio.sleep(0.001)
            turns += 1
        return turns

    for _ in range(5):  # the machine may hold the loop up once; one that stands still has no turn each time
        if (had := await turns()) > 5:
            break
    assert had > 5
