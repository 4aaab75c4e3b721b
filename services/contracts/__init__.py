"""What services share on the wire: one copy of each `.proto` with its stubs, the events, topics and names."""

__all__: list[str] = []
