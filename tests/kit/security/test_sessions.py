"""Sessions in a real Redis: who may end up in one, and when it is over."""

import asyncio

import pytest

from workbook_lib.kit.cache import Cache, CacheError
from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.security.session_cookie import SessionCookie
from workbook_lib.kit.security.sessions import Sessions

pytestmark = pytest.mark.server


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def sessions(redis_url, namespace, clock):
    cache = Cache(redis_url, namespace=namespace, timeout_seconds=10)
    sessions = Sessions(cache, idle_seconds=1800, lifetime_seconds=3600, clock=clock)
    await sessions.start()
    yield sessions
    await sessions.stop()


async def test_a_login_is_remembered_until_the_logout(sessions):
    session_id = await sessions.log_in("user123", None)
    assert (await sessions.find(session_id)).user_id == "user123"
    await sessions.log_out(session_id)
    assert await sessions.find(session_id) is None


async def test_an_id_has_256_random_bits_and_is_never_stored(sessions, redis, namespace):
    ids = {await sessions.log_in("user123", None) for _ in range(20)}
    assert len(ids) == 20
    assert {len(session_id) for session_id in ids} == {43}  # 32 bytes in base64url
    keys = await redis.keys(f"{namespace}:*")
    stored = b" ".join([*keys, *[await redis.get(key) for key in keys]]).decode()
    assert len(keys) == 20
    assert not [session_id for session_id in ids if session_id in stored]


async def test_a_planted_id_never_becomes_the_id_of_a_login(sessions):
    """Session fixation: the attacker knows an id, has the victim log in with it, and then uses it."""
    anonymous, attackers_own = "made-up-by-the-attacker", await sessions.log_in("mallory", None)
    for planted in (anonymous, attackers_own):
        victims = await sessions.log_in("user123", planted)
        assert victims != planted
        assert await sessions.find(planted) is None
        assert (await sessions.find(victims)).user_id == "user123"


async def test_more_rights_mean_a_new_id_and_the_same_age(sessions, clock):
    before = await sessions.log_in("user123", None)
    started_at = (await sessions.find(before)).started_at
    await clock.advance(60)
    after = await sessions.elevate(before)
    assert after != before
    assert await sessions.find(before) is None
    session = await sessions.find(after)
    assert (session.user_id, session.elevated, session.started_at) == ("user123", True, started_at)


async def test_of_two_elevations_at_once_one_succeeds(sessions):
    session_id = await sessions.log_in("user123", None)
    results = await asyncio.gather(*(sessions.elevate(session_id) for _ in range(5)))
    assert len([result for result in results if result]) == 1


async def test_there_is_nothing_to_elevate_without_a_session(sessions):
    assert await sessions.elevate("made-up") is None


async def test_an_unused_session_ends_and_a_used_one_goes_on(sessions, redis, namespace):
    session_id = await sessions.log_in("user123", None)
    (key,) = await redis.keys(f"{namespace}:*")
    await redis.expire(key, 60)
    await sessions.find(session_id)
    assert 1740 < await redis.ttl(key) <= 1800
    await redis.delete(key)  # what Redis does when the time is over
    assert await sessions.find(session_id) is None


async def test_no_use_prolongs_a_session_beyond_its_lifetime(sessions, clock, redis, namespace):
    session_id = await sessions.log_in("user123", None)
    await clock.advance(3599)
    assert await sessions.find(session_id) is not None
    await clock.advance(1)
    assert await sessions.find(session_id) is None
    assert await redis.keys(f"{namespace}:*") == []


async def test_a_logout_holds_against_requests_under_way(sessions):
    """Reading prolongs in the same step; written back separately, a session could survive its end."""
    session_id = await sessions.log_in("user123", None)
    await asyncio.gather(*(sessions.find(session_id) for _ in range(20)), sessions.log_out(session_id))
    assert await sessions.find(session_id) is None


@pytest.mark.parametrize("session_id", ["", "made-up", "*", "x" * 5000, "\r\nFLUSHALL\r\n", "ä"])
async def test_what_is_no_id_is_no_session(sessions, session_id):
    await sessions.log_in("user123", None)
    assert await sessions.find(session_id) is None


async def test_without_redis_nobody_is_logged_in(clock):
    sessions = Sessions(Cache("redis://127.0.0.1:1/0", namespace="t"), idle_seconds=1, lifetime_seconds=1)
    await sessions.start()
    with pytest.raises(CacheError):
        await sessions.find("any")
    await sessions.stop()


def test_a_secure_cookie_is_bound_to_the_host_and_out_of_scripts_reach():
    cookie = SessionCookie(secure=True)
    assert cookie.header("abc") == "__Host-session=abc; Path=/; Secure; HttpOnly; SameSite=Lax"
    assert cookie.clearing() == "__Host-session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"


def test_without_https_the_cookie_does_not_claim_to_be_secure():
    header = SessionCookie(secure=False, same_site="strict").header("abc")
    assert header == "session=abc; Path=/; HttpOnly; SameSite=Strict"
