"""Who is calling, and what they may do: each module one concept, none of them needs another."""

__all__: list[str] = []
