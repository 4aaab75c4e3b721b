"""The orders service: orders over gRPC."""

__all__: list[str] = []
