"""The config centre: settings in Consul's key/value store, read once at start.

`config/prod/log_level` is for every service in prod, `config/prod/user-service/log_level` for one and wins.
An entry in capitals isn't a setting: `config/prod/user-service/DB_PASSWORD` fills `${DB_PASSWORD}`.
"""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbook_lib.kit.settings.given import Given, SettingsError, read_text

if TYPE_CHECKING:
    from workbook_lib.kit.consul import KeyValue

__all__ = ["Centre", "Entries"]

_ANSWER_SECONDS = 5.0
_CAPITALS = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass
class Entries:
    """What the centre holds for one service: settings, and what placeholders are filled from."""

    settings: dict[str, Given] = field(default_factory=dict)
    placeholders: dict[str, Given] = field(default_factory=dict)


@dataclass(frozen=True)
class Centre:
    """Where one service's settings are in Consul."""

    address: str
    token: str | None = field(repr=False)
    prefix: str
    environment: str
    service: str

    @property
    def folder(self) -> str:
        """The prefix of the environment's keys."""
        return f"{self.prefix.strip('/')}/{self.environment}/"

    def read(self, shared: frozenset[str], is_json: Callable[[str], bool]) -> Entries:
        """All that concerns the service, in one query, so never half of a change; within seconds.

        `shared` are the settings that stand right under the environment's prefix. Raises SettingsError when
        Consul can't be reached, doesn't allow it, or holds nothing there.
        """
        # In a thread, as the caller may be in a running event loop (a notebook's cell is).
        with ThreadPoolExecutor(1) as pool:
            entries = pool.submit(asyncio.run, self._list()).result()
        if not entries:
            # Consul answers an empty list alike where it filters what the token may not read.
            raise SettingsError(
                f"{self._where} holds nothing, or the token may read nothing there; is the prefix right?"
            )
        return self._sorted(entries, shared, is_json)

    async def _list(self) -> "list[KeyValue]":
        # Imported where it is needed: its HTTP client is a good part of a small service's start.
        from workbook_lib.kit.consul import Consul, ConsulDenied, ConsulError

        try:
            async with (
                asyncio.timeout(_ANSWER_SECONDS),
                Consul(self.address, token=self.token, timeout_seconds=_ANSWER_SECONDS) as consul,
            ):
                return await consul.kv_list(self.folder)
        except ConsulDenied as error:
            raise SettingsError(f"{self._where} is refused (403): {error.reason}") from None
        except (ConsulError, TimeoutError) as error:
            cause = str(error) or f"no answer in {_ANSWER_SECONDS:g} s"
            raise SettingsError(f"{self._where} can't be read: {cause}") from None

    def _sorted(
        self, entries: "list[KeyValue]", shared: frozenset[str], is_json: Callable[[str], bool]
    ) -> Entries:
        found = Entries()
        own_folder = f"{self.folder}{self.service}/"
        for entry in sorted(entries, key=lambda entry: entry.key.startswith(own_folder)):  # own last: it wins
            is_own = entry.key.startswith(own_folder)
            name = entry.key.removeprefix(own_folder if is_own else self.folder)
            if not name or "/" in name:  # a folder, or another service's
                continue
            source = f"consul {entry.key}"
            if _CAPITALS.fullmatch(name):
                found.placeholders[name] = Given(_text(entry), source)
            elif is_own or name in shared:
                found.settings[name] = read_text(_text(entry), name, source, is_json=is_json(name))
            else:
                raise SettingsError(f"{source}: no setting of all services; put it under {own_folder}")
        return found

    @property
    def _where(self) -> str:
        return f"{self.folder} in Consul at {self.address}"


def _text(entry: "KeyValue") -> str:
    try:
        return entry.text
    except UnicodeDecodeError:
        raise SettingsError(f"consul {entry.key}: the value isn't text in UTF-8") from None
