"""The last known good instances on disk, for a caller that starts while Consul is away."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.consul import Instance
from workbook_lib.kit.logs import get_logger

__all__ = ["EndpointMemory", "Remembered"]

_log = get_logger(__name__)


class Remembered(NamedTuple):
    """The instances that Consul told last, and how long ago."""

    instances: tuple[Instance, ...]
    age_seconds: float


class EndpointMemory:
    """One JSON file a service in `folder`, for one process alone.

    What is older than `max_age_seconds` isn't used: by then another program may have the address. An empty
    list is kept as well: that nobody was healthy is knowledge too.
    """

    def __init__(self, folder: Path, *, max_age_seconds: float = 3600.0, clock: Clock = SYSTEM_CLOCK) -> None:
        self._folder = folder
        self._max_age_seconds = max_age_seconds
        self._clock = clock

    def keep(self, service: str, instances: Iterable[Instance]) -> None:
        """Remember what Consul told now. A disk that refuses is logged and costs nobody a call."""
        told = {
            "confirmed_at": self._clock.now().timestamp(),
            "instances": [asdict(each) for each in instances],
        }
        path = self._path(service)
        unfinished = path.with_suffix(".new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps(told, indent=1))
            os.replace(unfinished, path)  # noqa: PTH105 - whole or not at all, also in a crash
        except OSError as error:
            _log.warning("instances not remembered", of=service, cause=str(error))

    def recall(self, service: str) -> Remembered | None:
        """What was told last; None when there is nothing, it is too old, or it can't be read."""
        try:
            told = json.loads(self._path(service).read_text())
            age = max(0.0, self._clock.now().timestamp() - told["confirmed_at"])
            instances = tuple(_instance(entry) for entry in told["instances"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            _log.warning("remembered instances can't be read", of=service, cause=repr(error))
            return None
        return Remembered(instances, age) if age <= self._max_age_seconds else None

    def _path(self, service: str) -> Path:
        return self._folder / f"{quote(service, safe='')}.json"


def _instance(entry: dict[str, object]) -> Instance:
    instance = Instance(**entry)  # type: ignore[arg-type]  # a file of ours; wrong fields raise TypeError
    return Instance(
        instance.id,
        instance.service,
        instance.address,
        int(instance.port),
        tuple(instance.tags),
        dict(instance.meta),
        int(instance.weight),
    )
