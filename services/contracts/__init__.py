"""What services share on the wire: one copy of each `.proto` with its stubs, event models, topic and service names."""

__all__: list[str] = []
