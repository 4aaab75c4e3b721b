"""The audit_log service: a row for every user event."""

__all__: list[str] = []
