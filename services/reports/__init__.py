"""The reports service: builds reports, before or after answering."""

__all__: list[str] = []
