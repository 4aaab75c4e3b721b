"""The users service: profiles over REST and gRPC."""

__all__: list[str] = []
