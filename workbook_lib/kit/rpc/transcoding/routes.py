"""The routes themselves: one for each binding, all doing the same three steps."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.json_format import MessageToJson

from workbook_lib.kit.errors import ErrorBody, InvalidRequest
from workbook_lib.kit.rpc.client import RpcClient
from workbook_lib.kit.rpc.transcoding.bindings import Binding, bindings
from workbook_lib.kit.rpc.transcoding.requests import read_message
from workbook_lib.kit.rpc.transcoding.schema import openapi_of
from workbook_lib.kit.service.openapi import error_answers

__all__ = ["transcoded_routes"]

_REFUSED: dict[str, Any] = {
    "description": "What the RPC refuses, by the error that it names.",
    "model": ErrorBody,
}


def transcoded_routes(service: ServiceDescriptor, client: RpcClient[Any]) -> APIRouter:
    """Serve the annotated methods of `service` as REST, each by a call through `client`.

    JSON is protobuf's own mapping. A request that doesn't fit the message is answered with 40001, and an
    error of the RPC with the status and code that it was raised with. Raises ValueError for an annotation
    that can't be served.
    """
    router = APIRouter(tags=[service.full_name])
    for rpc in service.methods:
        for binding in bindings(rpc):
            router.add_api_route(
                binding.path.route,
                _endpoint(binding, client),
                methods=[binding.http_method],
                summary=rpc.name,
                response_class=Response,
                responses=error_answers(InvalidRequest) | {"4XX": _REFUSED},
                openapi_extra=openapi_of(binding),
            )
    return router


def _endpoint(binding: Binding, client: RpcClient[Any]) -> Callable[[Request], Awaitable[Response]]:
    async def transcode(request: Request) -> Response:
        message = read_message(
            binding, request.path_params, request.query_params.multi_items(), await request.body()
        )
        with client.stub() as stub:
            answer = await getattr(stub, binding.rpc.name)(message)
        text = MessageToJson(answer, indent=None, always_print_fields_with_no_presence=True)
        return Response(text, media_type="application/json")

    return transcode
