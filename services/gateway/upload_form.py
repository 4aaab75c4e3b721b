"""Reading a form with one file while it streams by: nothing of it is held (RFC 7578)."""

import base64
import binascii
import hashlib
import re
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers

from workbook_lib.kit.errors import InvalidRequest, UnsupportedMediaType

__all__ = ["ContentDigests", "FileForm"]

_ALGORITHMS: Final = {"sha-256": "sha256", "sha-512": "sha512"}  # RFC 9530's active ones
_MEMBER: Final = re.compile(r"\s*([a-z*][a-z0-9_.*-]*)\s*=\s*:([A-Za-z0-9+/]*={0,2}):\s*")


class FileForm:
    """A multipart/form-data body with exactly one part: the file, in the field `file`.

    `feed` it the body's pieces as they come. `name` is what the client calls the file, known before its first
    byte. Raises InvalidRequest when it isn't such a form, a 415 when it isn't multipart at all.
    """

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data":
            raise UnsupportedMediaType("Send the file as multipart/form-data.")
        self.name: str | None = None
        self._ended = False
        self._header: list[bytes] = []
        self._value: list[bytes] = []
        self._disposition = b""
        self._data: list[bytes] = []
        try:
            self._parser = MultipartParser(
                options.get(b"boundary") or b"",
                {
                    "on_part_begin": self._part,
                    "on_header_field": lambda data, start, end: self._header.append(data[start:end]),
                    "on_header_value": lambda data, start, end: self._value.append(data[start:end]),
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": lambda data, start, end: self._data.append(data[start:end]),
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise InvalidRequest(f"The form can't be read: {error}.") from error

    def feed(self, piece: bytes) -> bytes:
        """What of this piece is the file's content."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise InvalidRequest(f"The form can't be read: {error}.") from error
        content = b"".join(self._data)
        self._data.clear()
        return content

    def finish(self) -> str:
        """The file's name, once the whole form was read."""
        if not self._ended or self.name is None:
            raise InvalidRequest("The form ends in the middle.")
        return self.name

    def _part(self) -> None:
        if self.name is not None:
            raise InvalidRequest("The form may hold one file and nothing else.")

    def _header_end(self) -> None:
        if b"".join(self._header).lower() == b"content-disposition":
            self._disposition = b"".join(self._value)
        self._header.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        # Browsers send the name in UTF-8 (RFC 7578, 5.1); latin-1 carries its bytes through the parser.
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        if options.get(b"name") != b"file" or b"filename" not in options:
            raise InvalidRequest(
                "The form must hold one file, in its field `file`.",
                details=[{"field": "file", "message": "Field required"}],
            )
        try:
            self.name = options[b"filename"].decode()
        except UnicodeDecodeError:
            raise InvalidRequest("The file's name isn't UTF-8.") from None

    def _end(self) -> None:
        self._ended = True


class ContentDigests:
    """What the client says is the digest of its request's content, checked against what came (RFC 9530).

    Algorithms other than sha-256 and sha-512 are passed over, as the RFC allows. A request isn't encoded
    here, so that Repr-Digest and Content-Digest mean the same: the whole form, not the file alone.
    """

    def __init__(self, headers: Headers) -> None:
        self._expected = [
            (hashlib.new(_ALGORITHMS[name]), value)
            for field in ("content-digest", "repr-digest")
            if (text := ",".join(headers.getlist(field)))
            for name, value in _members(field, text)
            if name in _ALGORITHMS
        ]

    def update(self, piece: bytes) -> None:
        """Take in the next piece of the content."""
        for digest, _ in self._expected:
            digest.update(piece)

    def verify(self) -> None:
        """Raises InvalidRequest when something else came than the client meant to send."""
        for digest, expected in self._expected:
            if digest.digest() != expected:
                raise InvalidRequest(f"The content's {digest.name} isn't the one announced: it came damaged.")


def _members(field: str, text: str) -> list[tuple[str, bytes]]:
    """The members of a dictionary of byte sequences (RFC 8941, 3.2)."""
    members = []
    for member in text.split(","):
        if not (match := _MEMBER.fullmatch(member)):
            raise InvalidRequest(f"{field} isn't a dictionary such as sha-256=:…:")
        try:
            members.append((match[1], base64.b64decode(match[2], validate=True)))
        except binascii.Error:
            raise InvalidRequest(f"{field} holds no base64") from None
    return members
