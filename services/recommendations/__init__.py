"""The recommendations service: what others liked who liked the same."""

__all__: list[str] = []
