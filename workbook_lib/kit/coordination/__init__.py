"""What sagas and TCC share: their stored state, the lease on it, and who drives it to an end."""

__all__: list[str] = []
