"""Uploads: a file streams from the caller to the disk, and back under the name that it came with."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse
from starlette.requests import ClientDisconnect

from services.gateway.settings import GatewaySettings
from services.gateway.upload_form import ContentDigests, FileForm
from services.gateway.upload_rules import checked_name, content_disposition
from services.gateway.upload_store import Upload, UploadStore
from workbook_lib.kit.errors import (
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    ServiceError,
    UnsupportedMediaType,
    of_status,
)
from workbook_lib.kit.service import Service
from workbook_lib.kit.service.body_limit import allow_body
from workbook_lib.kit.service.openapi import error_answers
from workbook_lib.kit.service.requests import CLIENT_CLOSED_REQUEST

__all__ = ["add_uploads", "upload_routes"]

UploadId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]

_FORM_BYTES: Final = 16_384  # what a form has around its file
_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            }
        },
    }
}


class _RequestTimeout(ServiceError):
    """The request's body came too slowly."""

    code = 40801
    status = 408
    retryable = True
    headers = {"Connection": "close"}  # noqa: RUF012 - RFC 9110, 15.5.9; the rest isn't waited for


def add_uploads(service: Service, settings: GatewaySettings) -> None:
    """Let the service take uploads."""
    store = UploadStore(settings.upload_folder, settings.max_upload_bytes)
    service.add_resource(store)
    service.app.include_router(upload_routes(settings, store))


def upload_routes(settings: GatewaySettings, store: UploadStore) -> APIRouter:
    """Send a file, get it back, remove it."""
    router = APIRouter(prefix="/uploads")
    refusals = error_answers(InvalidRequest, _RequestTimeout, PayloadTooLarge, UnsupportedMediaType)

    @router.post("", status_code=201, openapi_extra=_FORM, responses=refusals)
    async def upload(request: Request, response: Response) -> Upload:
        allow_body(request.scope, settings.max_upload_bytes + _FORM_BYTES)
        form = FileForm(request.headers.get("content-type", ""))
        digests = ContentDigests(request.headers)
        async with store.receive() as incoming:
            async for piece in _pieces(request, settings):
                digests.update(piece)
                content = form.feed(piece)
                if form.name is not None:
                    checked_name(form.name)  # before a byte of it is written
                    await incoming.write(content)
            digests.verify()
            kept = await store.keep(incoming, checked_name(form.finish()))
        response.headers["Location"] = f"/uploads/{kept.id}"
        return kept

    @router.get("/{upload_id}", response_class=FileResponse, responses=error_answers(NotFound))
    async def download(upload_id: UploadId) -> FileResponse:
        kept, path = await store.get(upload_id)
        digest = base64.b64encode(bytes.fromhex(kept.sha256)).decode()
        headers = {
            "Content-Disposition": content_disposition(kept.name),
            "X-Content-Type-Options": "nosniff",  # a browser doesn't make anything else of it
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Repr-Digest": f"sha-256=:{digest}:",
        }
        return FileResponse(path, media_type=kept.media_type, headers=headers)

    @router.delete("/{upload_id}", status_code=204, responses=error_answers(NotFound))
    async def delete(upload_id: UploadId) -> None:
        await store.delete(upload_id)

    return router


async def _pieces(request: Request, settings: GatewaySettings) -> AsyncIterator[bytes]:
    """The body as it comes; neither a pause nor the whole may take too long, or slow callers hold us up."""
    stream = aiter(request.stream())
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.upload_seconds
    while True:
        pause = loop.time() + settings.upload_pause_seconds
        try:
            async with asyncio.timeout_at(min(deadline, pause)):
                piece = await anext(stream, None)
        except TimeoutError:
            raise _RequestTimeout("The file came too slowly.") from None
        except ClientDisconnect:
            # Nobody is there to be answered; the status is for the log.
            raise of_status(CLIENT_CLOSED_REQUEST, "the caller left") from None
        if piece is None:
            return
        yield piece
