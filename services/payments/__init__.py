"""The payment service: money over gRPC."""

__all__: list[str] = []
