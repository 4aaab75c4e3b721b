"""The inventory service: stock over gRPC."""

__all__: list[str] = []
