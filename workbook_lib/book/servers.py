"""The servers that chapters wait for: found at once, or provisioned in the background one after the other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Sequence
from functools import partial

from workbook_lib.book.chapters import Chapter
from workbook_lib.book.progress import Progress
from workbook_lib.lab.provision import ProvisionError, find, provision

__all__ = ["Servers"]


class Servers:
    """Which servers are ready, still to come, or can't be had.

    One at a time: most of the work of getting one uses every core already. The thread is a daemon, and what
    it starts ends with this process, so an interrupted run waits for nothing.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._news: queue.Queue[tuple[str, str, bool]] = queue.Queue()
        self._reasons: dict[str, str] = {}
        self._missing = [name for name in dict.fromkeys(names) if find(name) is None]
        if self._missing:
            threading.Thread(
                target=self._provision, args=(list(self._missing),), name="provision", daemon=True
            ).start()

    def poll(self, progress: Progress) -> None:
        """Pass on what happened since the last call."""
        while not self._news.empty():
            name, line, done = self._news.get_nowait()
            progress.server(name, line, done=done)
            if done:
                self._missing.remove(name)

    def ready_for(self, chapter: Chapter) -> bool:
        """Whether nothing that the chapter needs is still to come."""
        return not any(name in self._missing for name in chapter.servers)

    def reason_against(self, chapter: Chapter) -> str | None:
        """Why the chapter can't run: the sentence on the first server that can't be had."""
        return next((self._reasons[name] for name in chapter.servers if name in self._reasons), None)

    def _provision(self, names: Sequence[str]) -> None:
        for name in names:
            try:
                found = provision(name, report=partial(self._tell, name))
                line = f"{found.version or found.name} ({found.how})"
            except ProvisionError as error:
                self._reasons[name] = line = str(error)
            except Exception as error:  # noqa: BLE001 - the chapters that wait must learn of any failure
                self._reasons[name] = line = (
                    f"{name} couldn't be provisioned: {type(error).__name__}: {error}"
                )
            self._news.put((name, line, True))

    def _tell(self, name: str, line: str) -> None:
        self._news.put((name, line, False))
