"""A service's instances as a test sets them."""

from collections.abc import Sequence

from workbook_lib.kit.consul import Instance


class Known:
    """A subscriber's face with instances that the test sets."""

    def __init__(self, *ids: str) -> None:
        self.service = "shop"
        self.age_seconds: float | None = 0.0
        self.instances: Sequence[Instance] = ()
        self.set(*ids)

    def set(self, *ids: str) -> None:
        self.instances = tuple(Instance(name, self.service, "127.0.0.1", 80) for name in ids)
