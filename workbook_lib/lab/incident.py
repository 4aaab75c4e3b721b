"""A system that somebody has made slow: the reader finds out where, from traces alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from workbook_lib.lab.errors import LabError
from workbook_lib.lab.faults import Proxy, proxy
from workbook_lib.lab.lab import Lab
from workbook_lib.lab.services import read_spec

__all__ = ["Incident"]


class Incident:
    """One of the suspects is hard to reach: its answers come late, though it works as fast as ever.

    Made by `begin`. Suspects go by the names that they have in traces. Every one of them is called through a
    proxy, so that addresses give nothing away; one proxy is slow.
    """

    def __init__(self, proxies: Mapping[str, Proxy], guilty: str, seconds: float) -> None:
        self._proxies = proxies
        self._guilty = guilty
        self._seconds = seconds
        self.repaired: list[str] = []
        """Who was repaired since it began, or began anew, in this order."""

    @classmethod
    async def begin(
        cls,
        lab: Lab,
        suspects: Mapping[str, str],
        *,
        seconds: float = 0.08,
        choose: Callable[[Sequence[str]], str] | None = None,
    ) -> Self:
        """Put proxies in front of `suspects` (what the lab calls them, and the port's role: http or grpc).

        One of them, by default chosen at random, lets everything arrive `seconds` later, each way. Raises
        `LabError` when there is nothing to choose from.
        """
        if len(suspects) < 2:
            raise LabError("an incident needs two suspects or more")
        proxies: dict[str, Proxy] = {}
        try:
            for name, role in suspects.items():
                proxies[read_spec(lab.root, name).service] = await proxy(lab, name, role=role)
            guilty = (choose or random.SystemRandom().choice)(sorted(proxies))
            await proxies[guilty].delay(seconds)
        except BaseException:
            await _close(proxies)
            raise
        return cls(proxies, guilty, seconds)

    @property
    def suspects(self) -> tuple[str, ...]:
        """Who it may be, by the names in traces."""
        return tuple(sorted(self._proxies))

    def accuse(self, service: str) -> bool:
        """Whether it is this one; says so too, and only for the right one what was wrong.

        Raises ValueError for somebody who is no suspect.
        """
        self._proxy(service)
        if service != self._guilty:
            print(f"No, {service} is innocent. Look at what its time consists of.")
            return False
        print(f"Yes: everything to and from {service} came {self._seconds * 1000:.0f} ms late, each way.")
        return True

    async def repair(self, service: str) -> None:
        """Make the way to this suspect as quick as it ever was, which helps if it is the guilty one.

        Whether it has helped isn't told: measure. Raises ValueError for somebody who is no suspect.
        """
        await self._proxy(service).restore()
        self.repaired.append(service)

    async def relapse(self) -> None:
        """It begins anew: the guilty one is slow again, and nobody was repaired."""
        await self._proxies[self._guilty].delay(self._seconds)
        self.repaired.clear()

    async def end(self) -> None:
        """Take the proxies away; callers reach everybody directly again. Idempotent."""
        await _close(self._proxies)

    def _proxy(self, service: str) -> Proxy:
        if service not in self._proxies:
            raise ValueError(f"{service!r} is no suspect; those are {', '.join(self.suspects)}")
        return self._proxies[service]


async def _close(proxies: Mapping[str, Proxy]) -> None:
    await asyncio.gather(*(each.close() for each in proxies.values()))
