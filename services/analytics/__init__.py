"""The analytics service: how often what happened, in windows of time."""

__all__: list[str] = []
