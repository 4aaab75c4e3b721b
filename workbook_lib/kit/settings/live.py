"""Settings that change while the service runs: those under a prefix in Consul's KV.

What a service is told at start (`load`) stays as it is until the next start. Here it is the other way round:
entries are followed, and read as one set, so that whoever takes `current` once works with values that belong
together. The counterpart of Spring Cloud's `@RefreshScope`.
"""

import asyncio
import contextlib
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from workbook_lib.kit.logs import get_logger

if TYPE_CHECKING:
    from workbook_lib.kit.consul import Consul, KeyValue

__all__ = ["LiveSettings", "Refusal", "Snapshot"]

_log = get_logger(__name__)

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[ModelT]):
    """One set of values; `revision` is Consul's index of the last change in it, 0 for the initial values."""

    values: ModelT
    revision: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A set that was not taken over, and why; values are not quoted, as one may be a secret."""

    revision: int
    reasons: tuple[str, ...]


class LiveSettings(Generic[ModelT]):
    """Follows the entries `<prefix>/<alias of a field>`, each over the field's value in `initial`.

    A set that the model refuses is logged as an error and not taken over: the last good one stays. So it does
    while Consul is away. `start` waits at most `start_timeout_seconds` for the first answer and goes on
    without one. Without a Consul at all the initial values stay.
    """

    def __init__(
        self, consul: "Consul | None", prefix: str, initial: ModelT, *, start_timeout_seconds: float = 2.0
    ) -> None:
        self.prefix = prefix.strip("/") + "/"
        self._consul = consul
        self._initial = initial
        self._start_timeout_seconds = start_timeout_seconds
        self._current = Snapshot(initial, 0)
        self._refusal: Refusal | None = None
        self._seen: list[KeyValue] | None = None
        self._answered = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def current(self) -> Snapshot[ModelT]:
        """The last good set. It never changes; take it once for all that must belong together."""
        return self._current

    @property
    def refusal(self) -> Refusal | None:
        """Why what Consul holds now is not what is served; None when it is."""
        return self._refusal

    async def start(self) -> None:
        """Begin to follow, and wait for the first answer within the bound."""
        if self._task is not None or self._consul is None:
            return
        self._task = asyncio.create_task(self._follow(self._consul), name=f"settings {self.prefix}")
        try:
            async with asyncio.timeout(self._start_timeout_seconds):
                await self._answered.wait()
        except TimeoutError:
            _log.warning("no answer from Consul yet, starting with the initial settings", prefix=self.prefix)

    async def stop(self) -> None:
        """End the watch, also in the middle of a blocking query."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _follow(self, consul: "Consul") -> None:
        async with aclosing(consul.watch_prefix(self.prefix)) as answers:
            async for entries in answers:
                if entries != self._seen:
                    self._seen = entries
                    self._take(entries)
                self._answered.set()

    def _take(self, entries: "list[KeyValue]") -> None:
        revision = max((entry.modify_index for entry in entries), default=0)
        try:
            values = self._read(entries)
        except ValidationError as error:
            self._refuse(revision, [_reason(each["loc"], each["msg"]) for each in error.errors()])
        except UnicodeDecodeError:
            self._refuse(revision, ["a value isn't text in UTF-8"])
        else:
            self._current, self._refusal = Snapshot(values, revision), None
            _log.info("settings changed", prefix=self.prefix, revision=revision)

    def _read(self, entries: "list[KeyValue]") -> ModelT:
        given = self._initial.model_dump(by_alias=True)
        given |= {entry.key.removeprefix(self.prefix): entry.text for entry in entries}
        given.pop("", None)  # the folder itself, which Consul's pages make
        return type(self._initial).model_validate(given)

    def _refuse(self, revision: int, reasons: list[str]) -> None:
        self._refusal = Refusal(revision, tuple(reasons))
        _log.error(
            "settings refused",
            prefix=self.prefix,
            revision=revision,
            reasons=reasons,
            kept_revision=self._current.revision,
        )


def _reason(where: tuple[int | str, ...], message: str) -> str:
    return f"{'.'.join(map(str, where)) or 'together'}: {message}"
