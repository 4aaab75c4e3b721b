"""Uploaded files on the disk, under random ids: a file is there whole or not at all."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4

from pydantic import BaseModel, Field

from services.gateway.upload_rules import HEAD_BYTES, media_type_of
from workbook_lib.kit.errors import NotFound, PayloadTooLarge
from workbook_lib.kit.logs import get_logger

__all__ = ["Incoming", "Upload", "UploadStore"]

_BATCH_BYTES: Final = 262_144  # a thread's hop is worth this much

_log = get_logger(__name__)


class Upload(BaseModel):
    """An uploaded file."""

    id: str
    name: str = Field(description="what the client called it; kept to be shown, never used as a path")
    media_type: str = Field(description="by its content")
    bytes: int
    sha256: str


class UploadStore:
    """Files of at most `max_bytes` under `folder`, which several processes may share. A resource.

    What is being written lies in a folder of this process, locked while it lives; what a crashed one left is
    removed when the next one starts.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._unfinished: Path
        self._lock: int | None = None

    async def start(self) -> None:
        """Make the folders and remove what crashed processes have left unfinished."""
        await to_thread(self._open)

    async def stop(self) -> None:
        """Remove what is unfinished."""
        lock, self._lock = self._lock, None
        if lock is not None:
            await to_thread(shutil.rmtree, self._unfinished, ignore_errors=True)
            os.close(lock)

    def _open(self) -> None:
        parts = self._folder / "unfinished"
        parts.mkdir(parents=True, exist_ok=True)
        with _locked(parts) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # nobody makes a folder while another looks for dead ones
            for left in parts.iterdir():
                # Somebody lives there, or is removing it just now at its own end.
                with contextlib.suppress(BlockingIOError, FileNotFoundError), _locked(left) as theirs:
                    fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _log.warning("removing unfinished uploads", files=len(list(left.iterdir())))
                    shutil.rmtree(left)
            self._unfinished = Path(tempfile.mkdtemp(dir=parts))
            self._lock = os.open(self._unfinished, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    @contextlib.asynccontextmanager
    async def receive(self) -> AsyncIterator["Incoming"]:
        """A file to write to; unless it was kept, nothing of it is left at the end, whatever ends it."""
        incoming = Incoming(self._unfinished / uuid4().hex, self._max_bytes)
        try:
            await to_thread(incoming.open)
            yield incoming
        finally:
            await to_thread(incoming.discard)

    async def keep(self, incoming: "Incoming", name: str) -> Upload:
        """Make a received file the store's, in one step, when it is on the disk."""
        upload = await incoming.finish(name)
        await to_thread(incoming.folder.rename, self._folder / upload.id)
        return upload

    async def get(self, upload_id: str) -> tuple[Upload, Path]:
        """A kept file and where it lies. Raises NotFound."""
        folder = self._folder / upload_id
        try:
            about = await to_thread((folder / "about.json").read_bytes)
        except FileNotFoundError:
            raise NotFound(f"no upload {upload_id!r}") from None
        return Upload.model_validate_json(about), folder / "content"

    async def delete(self, upload_id: str) -> None:
        """Remove a kept file. Raises NotFound."""
        try:
            # Away in one step, then taken apart: nobody meets half of it.
            gone = self._unfinished / uuid4().hex
            await to_thread((self._folder / upload_id).rename, gone)
        except FileNotFoundError:
            raise NotFound(f"no upload {upload_id!r}") from None
        await to_thread(shutil.rmtree, gone)


class Incoming:
    """One file while it comes in: written in batches, hashed, and its type seen from its first bytes."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._bytes = 0
        self._sha256 = hashlib.sha256()
        self._batch = bytearray()
        self._media_type: str | None = None
        # A cancelled request leaves its thread writing: its file must not be closed under it.
        self._writing = threading.Lock()

    def open(self) -> None:
        """Make its folder and file. Blocks."""
        self.folder.mkdir()
        self._file = (self.folder / "content").open("xb", buffering=0)

    def discard(self) -> None:
        """Close it, and remove it if it wasn't kept. Blocks; harmless when repeated."""
        with self._writing:
            if hasattr(self, "_file"):
                self._file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def write(self, content: bytes) -> None:
        """Append. Raises PayloadTooLarge over the limit, a 415 when the beginning shows no accepted type."""
        self._bytes += len(content)
        if self._bytes > self._max_bytes:
            raise PayloadTooLarge(f"The file may have {self._max_bytes} bytes at most.")
        self._batch += content
        if self._media_type is None and len(self._batch) >= HEAD_BYTES:
            self._media_type = media_type_of(bytes(self._batch[:HEAD_BYTES]))
        if len(self._batch) >= _BATCH_BYTES:
            batch, self._batch = self._batch, bytearray()
            await to_thread(self._append, batch)

    async def finish(self, name: str) -> Upload:
        """Write the rest, and beside it what is known of the file."""
        if self._media_type is None:
            self._media_type = media_type_of(bytes(self._batch))
        await to_thread(self._append, self._batch)
        upload = Upload(
            id=self.folder.name,
            name=name,
            media_type=self._media_type,
            bytes=self._bytes,
            sha256=self._sha256.hexdigest(),
        )
        await to_thread(self._seal, upload.model_dump_json().encode())
        return upload

    def _append(self, batch: bytearray) -> None:
        with self._writing:
            self._sha256.update(batch)
            view = memoryview(batch)
            while view:
                view = view[self._file.write(view) :]

    def _seal(self, about: bytes) -> None:
        os.fsync(self._file.fileno())
        with (self.folder / "about.json").open("xb") as file:
            file.write(about)
            file.flush()
            os.fsync(file.fileno())


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """A descriptor of `folder`, to take a lock on; closing it gives the lock back."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
