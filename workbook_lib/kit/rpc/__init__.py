"""gRPC on asyncio: a server with health, reflection and uniform errors, and a client over many instances."""

from workbook_lib.kit.rpc.client import RpcClient
from workbook_lib.kit.rpc.server import RpcServer

__all__ = ["RpcClient", "RpcServer"]
