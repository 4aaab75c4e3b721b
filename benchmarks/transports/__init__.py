"""The users service as its callers reach it: over gRPC and over REST, and what the two put on the wire."""

__all__: list[str] = []
