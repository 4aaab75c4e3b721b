"""The gateway service: the REST edge."""

__all__: list[str] = []
