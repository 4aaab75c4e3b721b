"""gRPC on asyncio: a server with health, reflection and uniform errors, and a client over many instances."""

from workbook_lib.kit.rpc.bearer import OperatorMethods, sending_bearer
from workbook_lib.kit.rpc.client import RpcClient
from workbook_lib.kit.rpc.interception import Call, CallInterceptor
from workbook_lib.kit.rpc.outgoing import sending
from workbook_lib.kit.rpc.request_ids import REQUEST_ID, RequestIds, current_request_id, sending_request_ids
from workbook_lib.kit.rpc.server import RpcServer
from workbook_lib.kit.rpc.service_config import service_config
from workbook_lib.kit.rpc.status import status_message

__all__ = [
    "REQUEST_ID",
    "Call",
    "CallInterceptor",
    "OperatorMethods",
    "RequestIds",
    "RpcClient",
    "RpcServer",
    "current_request_id",
    "sending",
    "sending_bearer",
    "sending_request_ids",
    "service_config",
    "status_message",
]
