"""What a limit remembers of its keys, in bounded memory."""

from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["MAX_KEYS", "States"]

MAX_KEYS = 10_000

StateT = TypeVar("StateT")


class States(Generic[StateT]):
    """The states of at most `max_keys` keys; beyond, the one asked for least recently is forgotten.

    Callers choose their keys (an IPv6 network has 2^64 addresses), so without a bound they choose our memory.
    The one that is forgotten has waited longest, so that its quota has recovered most.
    """

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self._states: OrderedDict[str, StateT] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def get(self, key: str) -> StateT | None:
        """The state of `key`; None when nothing is known of it."""
        return self._states.get(key)

    def set(self, key: str, state: StateT) -> None:
        """Remember `state` of `key`, as the most recent."""
        self._states[key] = state
        self._states.move_to_end(key)
        if len(self._states) > self._max_keys:
            self._states.popitem(last=False)
