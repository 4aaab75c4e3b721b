"""The products service: the catalogue, with the whole of REST."""

__all__: list[str] = []
