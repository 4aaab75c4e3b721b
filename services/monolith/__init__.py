"""The shop in one process: users, orders, stock and products on one database."""

__all__: list[str] = []
