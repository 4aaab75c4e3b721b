"""The oncall service: hears of alerts, and tells what is wrong now."""

__all__: list[str] = []
