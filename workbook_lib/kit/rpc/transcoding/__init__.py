"""REST for a gRPC service, read from the `google.api.http` annotations of its `.proto`."""

from workbook_lib.kit.rpc.transcoding.routes import transcoded_routes

__all__ = ["transcoded_routes"]
