"""What an error tells besides code and message, in gRPC's standard form (google.rpc.Status, AIP-193).

It travels in the trailing metadata `grpc-status-details-bin`, which any gRPC client can read: an ErrorInfo
with the error's own code, a BadRequest for faults of single fields, a RetryInfo for when to come back, and a
Value of JSON for other details.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Value
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from pydantic_core import to_jsonable_python

from workbook_lib.kit.errors import ServiceError

__all__ = ["DETAILS", "Told", "pack", "unpack"]

DETAILS: Final = "grpc-status-details-bin"
_DOMAIN: Final = "workbook"
_RETRY_AFTER: Final = "Retry-After"
# A peer refuses a call whose metadata are larger than 8 KiB, and the error itself would be lost.
_MOST_BYTES: Final = 4096


class Told(NamedTuple):
    """What an error brings over the wire; `code` is None for one that isn't the kit's."""

    code: int | None = None
    details: Any = None
    headers: Mapping[str, str] | None = None


def pack(error: ServiceError, grpc_code: int, message: str) -> bytes:
    """The error as a google.rpc.Status; details that are too large for metadata are left out."""
    status = _status(error, grpc_code, message, [*_hints(error), *_of_details(error.details)])
    if status.ByteSize() > _MOST_BYTES:
        status = _status(error, grpc_code, message, list(_hints(error)))
    packed: bytes = status.SerializeToString()
    return packed


def unpack(packed: bytes) -> Told:
    """What was packed; nothing of what can't be read."""
    status, told = Status(), Told()
    try:
        status.ParseFromString(packed)
    except DecodeError:
        return told
    info, fields, retry, value = ErrorInfo(), BadRequest(), RetryInfo(), Value()
    for each in status.details:
        if each.Unpack(info) and info.domain == _DOMAIN and info.metadata["code"].isdecimal():
            told = told._replace(code=int(info.metadata["code"]))
        elif each.Unpack(fields):
            faults = [{"field": at.field, "message": at.description} for at in fields.field_violations]
            told = told._replace(details=faults)
        elif each.Unpack(retry):
            told = told._replace(headers={_RETRY_AFTER: str(retry.retry_delay.seconds)})
        elif each.Unpack(value):
            told = told._replace(details=_whole(MessageToDict(value)))
    return told


def _status(error: ServiceError, grpc_code: int, message: str, details: list[Message]) -> Status:
    info = ErrorInfo(reason=type(error).__name__, domain=_DOMAIN, metadata={"code": str(error.code)})
    status = Status(code=grpc_code, message=message)
    for detail in (info, *details):
        status.details.add().Pack(detail)
    return status


def _hints(error: ServiceError) -> Iterator[Message]:
    seconds = error.headers.get(_RETRY_AFTER, "")
    if seconds.isdecimal():
        retry = RetryInfo()
        retry.retry_delay.FromSeconds(int(seconds))
        yield retry


def _of_details(details: object) -> Iterator[Message]:
    if details is None:
        return
    plain = to_jsonable_python(details, fallback=str)
    if isinstance(plain, list) and plain and all(_is_fault(each) for each in plain):
        faults = [
            BadRequest.FieldViolation(field=each["field"], description=each["message"]) for each in plain
        ]
        yield BadRequest(field_violations=faults)
    else:
        yield ParseDict(plain, Value())


def _is_fault(detail: object) -> bool:
    return isinstance(detail, dict) and detail.keys() == {"field", "message"}


def _whole(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Whole numbers as such: a Value knows only floating point."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_whole(each) for each in value]
        case dict():
            return {name: _whole(each) for name, each in value.items()}
    return value
