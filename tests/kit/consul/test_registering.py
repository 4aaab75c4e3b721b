"""An instance's own registration is announced, kept and withdrawn, whatever becomes of Consul meanwhile."""

import asyncio
import time
import uuid
from pathlib import Path

import pytest

from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.consul import Consul, ConsulError, HttpCheck, Registration, registered
from workbook_lib.kit.discovery import Subscriber
from workbook_lib.lab import Lab, evidence, faults

pytestmark = pytest.mark.server

SHOP = Registration(  # two workers may have the same Consul
    id=f"kept-{uuid.uuid4().hex[:8]}", service="kept-shop", address="127.0.0.1", port=9001
)


async def test_an_instance_is_known_while_the_block_runs(consul_url: str) -> None:
    async with Consul(consul_url, timeout_seconds=20) as consul:
        async with registered(consul, SHOP):
            assert await consul.is_registered(SHOP.id)
        assert not await consul.is_registered(SHOP.id)


async def test_a_registration_that_was_lost_is_made_again_at_the_next_look(consul_url: str) -> None:
    clock = ManualClock()
    async with (
        Consul(consul_url, timeout_seconds=20) as consul,
        registered(consul, SHOP, interval_seconds=10, clock=clock),
    ):
        await consul.deregister(SHOP.id)
        await clock.advance(9.9)
        assert not await consul.is_registered(SHOP.id)
        await clock.advance(0.2)
        assert await evidence.eventually(lambda: consul.is_registered(SHOP.id))


async def test_one_that_is_there_is_left_alone_with_the_state_of_its_check(consul_url: str) -> None:
    clock = ManualClock()
    sick = HttpCheck(url="http://127.0.0.1:1/health", passing_at_first=True, interval_seconds=1)
    shop = Registration(id="kept-2", service="kept-sick", address="127.0.0.1", port=1, check=sick)
    async with Consul(consul_url, timeout_seconds=20) as consul, registered(consul, shop, clock=clock):
        await evidence.eventually(
            lambda: _is(consul, "kept-sick", {"kept-2": "critical"}), interval_seconds=0.02
        )
        for _ in range(3):
            await clock.advance(10)
            assert await _is(consul, "kept-sick", {"kept-2": "critical"})


async def _is(consul: Consul, service: str, statuses: dict[str, str]) -> bool:
    return (await consul.statuses(service)).value == statuses


async def test_without_consul_the_first_registration_fails_and_the_last_word_does_not() -> None:
    async with Consul("127.0.0.1:1") as away:
        with pytest.raises(ConsulError, match="can't be reached"):
            async with registered(away, SHOP):
                raise AssertionError


async def test_after_a_restart_that_forgot_everything_callers_find_the_instance_again(tmp_path: Path) -> None:
    async with Lab("kept", root=tmp_path) as lab:
        await lab.start("consul")
        async with (
            Consul(lab["consul"].url, timeout_seconds=20) as consul,
            registered(consul, SHOP, interval_seconds=0.2),
        ):
            subscriber = Subscriber(consul, "kept-shop")
            await subscriber.start()
            await evidence.eventually(lambda: subscriber.instances)
            await faults.kill(lab["consul"])
            await asyncio.sleep(0.5)  # some looks and some answers fail
            assert [each.id for each in subscriber.instances] == [SHOP.id]
            restarted = time.monotonic()
            await lab.start("consul")
            assert await evidence.eventually(lambda: consul.is_registered(SHOP.id))
            await evidence.eventually(
                lambda: subscriber.age_seconds < time.monotonic() - restarted and subscriber.instances
            )
            assert [each.id for each in subscriber.instances] == [SHOP.id]
            await faults.kill(lab["consul"])
            await subscriber.stop()
