"""What an uploaded file may be called and may be: plain Python, no I/O."""

import re
import unicodedata
from typing import Final
from urllib.parse import quote

from workbook_lib.kit.errors import InvalidRequest, UnsupportedMediaType

__all__ = ["HEAD_BYTES", "checked_name", "content_disposition", "media_type_of"]

HEAD_BYTES: Final = 16
"""How much of a file's beginning `media_type_of` wants to see."""

_NAME_BYTES: Final = 255  # what file systems allow
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows' devices
_ATTR_CHARS: Final = "!#$&+-.^_`|~"  # RFC 8187, 3.2.1, besides letters and digits

# By their first bytes. No HTML and no SVG: those would run scripts in the name of our origin.
_KINDS: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"%PDF-"), "application/pdf"),
)


def checked_name(claimed: str) -> str:
    """The name as it is kept, never as a path. Raises InvalidRequest for one that could do harm.

    Refused: folders (also by look-alikes of the slash), control characters, text direction marks that make
    gnp.exe look like exe.png, names of devices, and what a file system would cut or strip.
    """
    name = unicodedata.normalize("NFC", claimed)
    plain = unicodedata.normalize("NFKC", name)
    if not plain or plain != plain.strip() or plain.endswith("."):
        raise _bad("is empty, begins or ends with a space, or ends with a dot")
    if re.search(r"[/\\:\u2044\u2215\u29f8]", plain):
        raise _bad("names a folder or a drive")
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in name):
        raise _bad("has characters that can't be seen")
    if _RESERVED.fullmatch(plain):
        raise _bad("is a device's on some systems")
    if len(name.encode()) > _NAME_BYTES:
        raise _bad(f"is longer than {_NAME_BYTES} bytes")
    return name


def _bad(reason: str) -> InvalidRequest:
    details = [{"field": "file", "message": f"the file's name {reason}"}]
    return InvalidRequest("The file's name isn't acceptable.", details=details)


def media_type_of(head: bytes) -> str:
    """The type that a file's first `HEAD_BYTES` show, whatever it is called. Raises a 415 for any other."""
    for pattern, media_type in _KINDS:
        if pattern.match(head):
            return media_type
    kinds = ", ".join(media_type for _, media_type in _KINDS)
    raise UnsupportedMediaType(f"The file's content is none of {kinds}.")


def content_disposition(name: str) -> str:
    """The header that saves a download as `name`; old clients get it in ASCII (RFC 6266, 8187)."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    fallback = re.sub(r"[^\w!#$&+.^`|~ -]", "_", ascii_name).strip() or "file"
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"
