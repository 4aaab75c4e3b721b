"""Bearer tokens: JWTs signed with Ed25519, with a key id so that keys can be changed without a break.

Ed25519, an asymmetric algorithm, so that a service which checks tokens needs no secret and can't make any;
and it leaves no parameter to choose wrongly. Rules: RFC 8725 (best practices for JWT), RFC 9068 (the type).
"""

import base64
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import SecretStr

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import Unauthenticated

__all__ = ["Claims", "SigningKey", "Tokens", "read_keys"]

_ALGORITHM = "EdDSA"
_TYPE = "at+jwt"  # another JWT of the same issuer, made for another purpose, is no access token
_REQUIRED = ("exp", "nbf", "iat", "iss", "aud", "sub")
_LONGEST_TOKEN = 4096
_KEY = re.compile(r"([A-Za-z0-9_-]{1,64}):([A-Za-z0-9_-]{43})")


class SigningKey(NamedTuple):
    """A private key and the id by which tokens name it."""

    id: str
    private: Ed25519PrivateKey

    @classmethod
    def new(cls, key_id: str) -> Self:
        """A random one."""
        return cls(key_id, Ed25519PrivateKey.generate())

    def text(self) -> SecretStr:
        """As `read_keys` reads it: `<id>:<the 32 secret bytes in base64url>`."""
        return SecretStr(f"{self.id}:{_base64url(self.private.private_bytes_raw())}")


def read_keys(text: SecretStr) -> list[SigningKey]:
    """Keys as a setting has them, by commas; the first one signs, the others are still accepted.

    Raises ValueError, which says what is wrong without a word of the keys.
    """
    keys = []
    for number, item in enumerate(text.get_secret_value().split(","), start=1):
        if (match := _KEY.fullmatch(item.strip())) is None:
            raise ValueError(f"key {number} isn't <id>:<32 bytes in base64url>")
        seed = base64.urlsafe_b64decode(match[2] + "=")
        keys.append(SigningKey(match[1], Ed25519PrivateKey.from_private_bytes(seed)))
    if len({key.id for key in keys}) < len(keys):
        raise ValueError("two keys have the same id")
    return keys


class Claims(NamedTuple):
    """What a valid token says."""

    subject: str
    token_id: str
    expires_at: datetime


class Tokens:
    """Issues and checks the tokens of one issuer for one audience.

    `keys`: the first signs. To rotate, put a new key in front, and drop the old one when the last token that
    it signed has expired. `clock` dates what is issued; what is checked is checked against the real time.
    """

    def __init__(
        self,
        keys: Sequence[SigningKey],
        *,
        issuer: str,
        audience: str,
        lifetime_seconds: int = 900,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._signing = keys[0]
        self._public = {key.id: key.private.public_key() for key in keys}
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self.lifetime_seconds = lifetime_seconds

    def issue(self, subject: str) -> str:
        """A token that says who `subject` is, for `lifetime_seconds`."""
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "iat": now,
            "nbf": now,
            "exp": now + self.lifetime_seconds,
            "jti": secrets.token_urlsafe(16),
        }
        headers = {"kid": self._signing.id, "typ": _TYPE}
        return jwt.encode(claims, self._signing.private, _ALGORITHM, headers)

    def check(self, token: str) -> Claims:
        """What `token` says. Raises Unauthenticated for one that is forged, expired, or meant for others."""
        try:
            claims = self._verified(token)
        except jwt.InvalidTokenError as error:
            reason = "has expired" if isinstance(error, jwt.ExpiredSignatureError) else "isn't valid"
            # RFC 6750, 3.1. The library's own text goes to the log of whoever wants it, not to a forger.
            raise Unauthenticated(
                f"The token {reason}.", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
            ) from error
        expires_at = datetime.fromtimestamp(claims["exp"], self._clock.now().tzinfo)
        return Claims(claims["sub"], claims.get("jti", ""), expires_at)

    def _verified(self, token: str) -> dict[str, Any]:
        if len(token) > _LONGEST_TOKEN:
            raise jwt.InvalidTokenError("too long")
        header = jwt.get_unverified_header(token)
        if header.get("typ") != _TYPE:
            raise jwt.InvalidTokenError("not an access token")
        key = self._public.get(header.get("kid", ""))
        if key is None:
            raise jwt.InvalidTokenError("no such key")
        return jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],  # ours, whatever the token's header says
            audience=self._audience,
            issuer=self._issuer,
            options={"require": list(_REQUIRED)},
        )

    def key_set(self) -> dict[str, list[dict[str, str]]]:
        """The public keys, with which anybody can check a token: RFC 7517, RFC 8037."""
        return {"keys": [_jwk(key_id, key) for key_id, key in self._public.items()]}


def _jwk(key_id: str, key: Ed25519PublicKey) -> dict[str, str]:
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": _ALGORITHM,
        "kid": key_id,
        "x": _base64url(key.public_bytes_raw()),
    }


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
