"""The welcome service: the first one, chapter 1."""

__all__: list[str] = []
