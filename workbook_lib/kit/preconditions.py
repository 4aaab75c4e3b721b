"""If-Match and If-None-Match: a request for the state that its sender has seen, and no other (RFC 9110).

An entity tag names one state of one representation. If-Match on a write prevents the lost update: whoever
writes on top of what another has written meanwhile gets a 412 instead of erasing it. If-None-Match on a read
spares sending again what the reader has (304); with * on a write it creates, and never replaces.
"""

import re
from typing import Final, NamedTuple

from workbook_lib.kit.errors import InvalidRequest, PreconditionFailed
from workbook_lib.kit.fields import ENTITY_TAGS

__all__ = ["Preconditions"]

_TAG: Final = re.compile(r'(?:W/)?"[^"]*"')
_LIST: Final = re.compile(ENTITY_TAGS)


class Preconditions(NamedTuple):
    """The two headers of one request as they came; empty where a header is absent."""

    if_match: str = ""
    if_none_match: str = ""

    def check(self, current: str | None) -> None:
        """Before a write: `current` is the tag of what is there now, None when there is nothing.

        Raises PreconditionFailed when the write is meant for another state, InvalidRequest for a header that
        isn't a list of tags.
        """
        if self.if_match and not _matches("If-Match", self.if_match, current, weak=False):
            now = f"it is {current} now" if current else "there is none now"
            raise PreconditionFailed(f"If-Match {self.if_match}: {now}.")
        if self.names(current):
            raise PreconditionFailed(f"If-None-Match {self.if_none_match}: it is {current} now.")

    def names(self, current: str | None) -> bool:
        """Whether If-None-Match names the present state: a read is answered with 304 then.

        Raises InvalidRequest for a header that isn't a list of tags.
        """
        given = self.if_none_match
        return bool(given) and _matches("If-None-Match", given, current, weak=True)


def _matches(header: str, given: str, current: str | None, *, weak: bool) -> bool:
    """`weak` comparison ignores W/; strong comparison, which If-Match asks for, matches no weak tag."""
    if not _LIST.fullmatch(given):
        problem = {"field": header, "message": 'Input should be * or a list of tags such as "a1"'}
        raise InvalidRequest("The request isn't valid.", details=[problem])
    if current is None:
        return False
    if given == "*":
        return True
    tags = _TAG.findall(given)
    if weak:
        return current.removeprefix("W/") in [tag.removeprefix("W/") for tag in tags]
    return not current.startswith("W/") and current in tags
