"""Keeping secrets out of what is shown: tables, logs, reprs and errors."""

import re
from collections.abc import Iterable

__all__ = ["MASK", "masked", "names_a_secret"]

MASK = "***"

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:pass|passwd|password|passphrase|pwd|secret|token|credentials?|(?:api|private|secret)_?key)$",
    re.IGNORECASE,
)
# Up to the last @, as a password may hold one that wasn't escaped: rather too much hidden than too little.
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^:/@\s]*):\S*(?=@)")
_SECRET_IN_QUERY = re.compile(r"([?&][\w-]*(?:password|secret|token|key)=)[^&\s]*", re.IGNORECASE)


def names_a_secret(name: str) -> bool:
    """Whether a setting or variable of this name holds a secret: DB_PASSWORD does, token_seconds doesn't."""
    return _SECRET_NAME.search(name) is not None


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without the passwords in URLs and without the given secrets."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):  # one may be part of another
        text = text.replace(secret, MASK)
    return _SECRET_IN_QUERY.sub(rf"\1{MASK}", _PASSWORD_IN_URL.sub(rf"\1:{MASK}", text))
