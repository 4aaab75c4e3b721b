"""The traffic process: reads a job as a JSON line, answers in JSON lines, and ends when its input does.

End of input means that whoever ordered the traffic is gone, however it went; nothing is left to run for.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import uvloop

from workbook_lib.lab.traffic.connections import ConnectionHolder
from workbook_lib.lab.traffic.generator import LoadPlan, generate, generate_together

MAX_LINE_BYTES: Final = 16 << 20


def _report(answer: Mapping[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


async def _orders(queue: asyncio.Queue[dict[str, Any]]) -> None:
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        queue.put_nowait(json.loads(line))
    os._exit(0)


async def _hold(order: Mapping[str, Any], orders: asyncio.Queue[dict[str, Any]]) -> None:
    holder = ConnectionHolder(order["url"], order["count"])
    _report(await holder.open())
    while (await orders.get())["job"] == "ask":
        _report(await holder.ask())
    holder.close()


async def _end(orders: asyncio.Queue[dict[str, Any]], over: asyncio.Event) -> None:
    """The one order that a load takes while it goes on."""
    await orders.get()
    over.set()


async def _together(plans: Mapping[str, Mapping[str, Any]]) -> None:
    """Tell when the clock began, so that others can act at moments of it, and then how it went."""
    loads = {name: LoadPlan(**plan) for name, plan in plans.items()}
    began = time.perf_counter()
    _report({"began": time.time()})
    _report(await generate_together(loads, began))


async def main() -> None:
    """Do the job that standard input names."""
    orders: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    listening = asyncio.create_task(_orders(orders))
    order = await orders.get()
    if order["job"] == "load":
        over = asyncio.Event()
        ending = asyncio.create_task(_end(orders, over))
        _report(await generate(LoadPlan(**order["plan"]), over))
        ending.cancel()
    elif order["job"] == "together":
        await _together(order["plans"])
    else:
        await _hold(order, orders)
    listening.cancel()


if __name__ == "__main__":
    uvloop.run(main())
