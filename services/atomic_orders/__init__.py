"""The atomic orders service: the same orders by two-phase commit, to compare."""

__all__: list[str] = []
