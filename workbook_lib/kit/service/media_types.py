"""Which Content-Types a route reads; a body of any other is a 415, not a 400 that blames its content."""

from typing import Final

from starlette.requests import Request

from workbook_lib.kit.errors import UnsupportedMediaType

__all__ = ["unread_media_type"]

# Starlette parses both, whichever of the two a route declares.
_FORMS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


def unread_media_type(request: Request) -> UnsupportedMediaType | None:
    """The error for a request that FastAPI found invalid because its body isn't of the kind its route reads.

    RFC 9110, 15.5.16: the answer's Accept says which kind is. None when it is of that kind, or absent.
    """
    field = getattr(request.scope.get("route"), "body_field", None)
    if field is None or not _has_body(request):
        return None
    read: str = field.field_info.media_type
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given in _FORMS if read in _FORMS else _is_json(given) or given == read:
        return None
    what = f"{given or 'A body without a Content-Type'} isn't read here; send {read}."
    return UnsupportedMediaType(what, headers={"Accept": read})


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _is_json(media_type: str) -> bool:
    return media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )
