"""Which share of the calls a version gets, as weights of its instances in Consul."""

from collections.abc import Sequence
from typing import Final, Protocol

from workbook_lib.kit.consul import Consul, Instance
from workbook_lib.kit.logs import get_logger

__all__ = ["ConsulSplit", "Traffic"]

PARTS: Final = 100  # of a percent's weight: enough to be divided among many instances

_log = get_logger(__name__)


class Traffic(Protocol):
    """What a rollout moves calls with."""

    async def set_share(self, percent: int) -> None:
        """Send so many of a hundred calls to the canary; 100 leaves the baseline none."""
        ...

    async def take_back(self, reason: str) -> None:
        """Send all calls to the baseline."""
        ...

    async def keep(self) -> bool:
        """Hold the share against whoever registers anew; whether any of the canary can be called."""
        ...


class ConsulSplit(Traffic):
    """Two versions of one service, told apart by the metadata `key`, for callers that use `WeightedRandom`.

    A share is divided among the version's instances, sick ones too: what those can't take goes to the
    others by their weights. Consul knows no weight below 1, so a version that is to get nothing is put into
    maintenance, where operators see the reason; its processes stay, for a quick way back. Start a canary with
    weight 1, so that it gets next to nothing before its rollout begins.

    Weights belong to the agent where an instance is registered, and `consul` must be that one. Methods raise
    `ConsulError`.
    """

    def __init__(
        self, consul: Consul, service: str, *, baseline: str, canary: str, key: str = "version"
    ) -> None:
        self.service = service
        self.baseline = baseline
        self.canary = canary
        self._consul = consul
        self._key = key
        self._percent = 0

    async def set_share(self, percent: int) -> None:
        """Send so many of a hundred calls to the canary. Weights that sink are set first."""
        self._percent = percent
        instances = await self._instances()
        for instance in self._of(self.canary, instances):
            await self._consul.set_maintenance(instance.id, enabled=False)
        wanted = [(each, weight) for each, weight in self._weights(instances) if weight != each.weight]
        for instance, weight in sorted(wanted, key=lambda each: each[1] - each[0].weight):
            await self._consul.set_weight(instance.id, weight)
        for instance in self._of(self.baseline, instances):
            await self._consul.set_maintenance(
                instance.id, enabled=percent == 100, reason=f"replaced by {self.canary}"
            )
        _log.info("share set", of=self.service, canary=self.canary, percent=percent)

    async def take_back(self, reason: str) -> None:
        """Put the canary into maintenance, for `reason`; the baseline gets all calls again."""
        self._percent = 0
        instances = await self._instances()
        for instance in self._of(self.baseline, instances):
            await self._consul.set_maintenance(instance.id, enabled=False)
        for instance in self._of(self.canary, instances):
            await self._consul.set_maintenance(instance.id, enabled=True, reason=reason)
        for instance, weight in self._weights(instances):
            await self._consul.set_weight(instance.id, weight)
        _log.warning("taken back", of=self.service, canary=self.canary, reason=reason)

    async def keep(self) -> bool:
        """Set weights again where an instance has registered anew; whether one of the canary passes."""
        instances = await self._instances()
        for instance, weight in self._weights(instances):
            if weight != instance.weight:
                await self._consul.set_weight(instance.id, weight)
        passing = (await self._consul.health(self.service)).value
        return bool(self._of(self.canary, passing))

    def _weights(self, instances: Sequence[Instance]) -> list[tuple[Instance, int]]:
        shares = {self.baseline: 100 - self._percent, self.canary: self._percent}
        return [
            (instance, max(1, round(share * PARTS / len(those))))
            for version, share in shares.items()
            for those in [self._of(version, instances)]
            for instance in those
        ]

    async def _instances(self) -> list[Instance]:
        return (await self._consul.health(self.service, passing=False, consistent=True)).value

    def _of(self, version: str, instances: Sequence[Instance]) -> list[Instance]:
        return [each for each in instances if each.meta.get(self._key) == version]
