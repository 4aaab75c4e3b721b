"""The sink that finds records again: a store that takes Elasticsearch's bulk protocol."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import httpx2

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.lab.shipping.lines import Batch, Positions
from workbook_lib.lab.shipping.positions import load_positions, save_positions
from workbook_lib.lab.shipping.pump import SinkAway

__all__ = ["StoreSink", "bulk_client", "push"]

# VictoriaLogs' names for what Elasticsearch leaves to a mapping: which fields are time, text and stream.
BULK: Final = "/insert/elasticsearch/_bulk?_time_field=time&_msg_field=event&_stream_fields=service,instance"
TIMEOUT_SECONDS: Final = 5.0
SETTLE_SECONDS: Final = 0.5


class StoreSink:
    """Pushes records to the store at `url`, each at least once.

    That the store has answered doesn't mean that it keeps a record: it writes to disk a moment later (see
    `servers.victorialogs`), and a crash in between loses it. So a batch counts as kept, and its positions are
    saved, when `keep_seconds` after the answer the store is still the process that gave it. If it isn't, all
    since the last batch kept is sent again.
    """

    name = "store"

    def __init__(
        self, url: str, positions_file: Path, *, keep_seconds: float, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._client = bulk_client(url)
        self._file = positions_file
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._kept: Positions = load_positions(positions_file)
        self._sent: Positions = self._kept
        self._unkept: deque[tuple[float, Positions]] = deque()
        self._incarnation: str | None = None
        self._settled_at = clock.monotonic()

    @property
    def positions(self) -> Positions:
        """Behind what was sent."""
        return self._sent

    async def put(self, batch: Batch) -> None:
        """Push the batch; raises `SinkAway` when the store doesn't take it."""
        try:
            if self._incarnation is None:
                self._incarnation = await self._ask_incarnation()
            await push(self._client, batch.records)
        except httpx2.HTTPError as error:
            self._go_back()
            raise SinkAway(f"{error or type(error).__name__}") from error
        self._sent = batch.positions
        self._unkept.append((self._clock.monotonic(), batch.positions))

    async def settle(self) -> None:
        """Save the positions of what is kept by now; raises `SinkAway` when the store isn't what it was."""
        now = self._clock.monotonic()
        if not self._unkept or now - self._settled_at < SETTLE_SECONDS:
            return
        self._settled_at = now
        try:
            incarnation = await self._ask_incarnation()
        except httpx2.HTTPError as error:
            self._go_back()
            raise SinkAway(f"{error or type(error).__name__}") from error
        if incarnation != self._incarnation:
            self._go_back()
            raise SinkAway("the store was started anew; what it may not have kept is sent again")
        kept = self._kept
        while self._unkept and now - self._unkept[0][0] >= self._keep_seconds:
            kept = self._unkept.popleft()[1]
        if kept is not self._kept:
            self._kept = kept
            save_positions(self._file, kept)

    async def finish(self) -> None:
        """Close the connections. What isn't known to be kept would be sent again by the next shipper."""
        await self._client.aclose()

    def _go_back(self) -> None:
        self._sent, self._incarnation = self._kept, None
        self._unkept.clear()

    async def _ask_incarnation(self) -> str:
        """When the store's process started, which tells it from the one before."""
        answer = (await self._client.get("/metrics")).raise_for_status()
        lines = answer.text.splitlines()
        return next((line for line in lines if line.startswith("process_start_time_seconds")), "")


def bulk_client(url: str) -> httpx2.AsyncClient:
    """A client for `push`."""
    return httpx2.AsyncClient(base_url=url.rstrip("/"), timeout=TIMEOUT_SECONDS, trust_env=False)


async def push(client: httpx2.AsyncClient, records: Iterable[dict[str, Any]]) -> None:
    """Push records in one bulk request. Raises httpx2.HTTPError when the store doesn't take all of them."""
    body = "".join(f'{{"create":{{}}}}\n{json.dumps(record)}\n' for record in records)
    if not body:
        return
    answer = await client.post(BULK, content=body, headers={"Content-Type": "application/json"})
    answer.raise_for_status()
    if answer.json().get("errors"):
        raise httpx2.HTTPError("the store has refused some of the records")
