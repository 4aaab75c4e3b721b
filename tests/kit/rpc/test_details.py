"""What an error tells besides its code arrives with it, in a form that any gRPC client can read."""

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status

from tests.kit.rpc.conftest import SERVICE, Echo, calling, serving
from workbook_lib.kit import errors
from workbook_lib.kit.rpc.details import DETAILS, Told, pack, unpack

DETAIL = [
    [{"field": "quantity", "message": "at least 1"}, {"field": "sku", "message": "missing"}],
    {"sku": "lamp", "wanted": 7, "available": 3, "ratio": 0.5, "nested": [None, True, {"a": "b"}]},
    ["plain", "words"],
    "a word",
    17,
]


class Failing(Echo):
    """Fails as it is told."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def call(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        raise self.error


async def _caught(error: errors.ServiceError) -> errors.ServiceError:
    async with serving(Failing(error)) as server, calling(server) as client:
        with pytest.raises(errors.ServiceError) as caught, client.stub() as stub:
            await stub.call(b"")
    return caught.value


@pytest.mark.parametrize("details", DETAIL, ids=lambda value: type(value).__name__)
async def test_an_errors_details_reach_the_caller_as_they_were(details: object) -> None:
    caught = await _caught(errors.InvalidRequest("not a reservation", details=details))
    assert (type(caught), caught.code, caught.message) == (errors.InvalidRequest, 40001, "not a reservation")
    assert caught.details == details


async def test_when_to_come_back_reaches_the_caller() -> None:
    caught = await _caught(errors.TooManyRequests("slowly", headers={"Retry-After": "7"}))
    assert caught.headers == {"Retry-After": "7"}


async def test_details_too_large_for_metadata_are_left_out_and_the_error_arrives() -> None:
    caught = await _caught(errors.Conflict("many", details=["x" * 100] * 100))
    assert (caught.code, caught.message, caught.details) == (40901, "many", None)


async def test_a_client_of_any_kind_reads_code_fields_and_reason() -> None:
    error = errors.InvalidRequest("no", details=[{"field": "sku", "message": "missing"}])
    async with serving(Failing(error)) as server:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(f"/{SERVICE}/call")(b"")
        await channel.close()
    failure = caught.value
    status = Status.FromString(dict(failure.trailing_metadata())[DETAILS])
    assert (status.code, status.message) == (failure.code().value[0], failure.details())
    info, fields = ErrorInfo(), BadRequest()
    assert [status.details[0].Unpack(info), status.details[1].Unpack(fields)] == [True, True]
    assert (info.reason, dict(info.metadata)) == ("InvalidRequest", {"code": "40001"})
    assert fields.field_violations[0].field == "sku"


def test_what_is_not_ours_or_cant_be_read_brings_nothing() -> None:
    foreign = Status(code=5, message="no")
    foreign.details.add().Pack(ErrorInfo(reason="X", domain="elsewhere.example", metadata={"code": "40401"}))
    assert unpack(foreign.SerializeToString()) == Told()
    assert unpack(b"\xff\xff") == Told()


def test_details_that_json_cant_hold_are_told_as_text() -> None:
    packed = pack(errors.Conflict("x", details={"kind": object, "ids": {1}}), 6, "x")
    assert unpack(packed).details == {"kind": "<class 'object'>", "ids": [1]}
