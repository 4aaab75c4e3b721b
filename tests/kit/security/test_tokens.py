"""Tokens, and the attacks on them: whatever the token's header says, only our key and algorithm count."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.errors import Unauthenticated
from workbook_lib.kit.security.tokens import SigningKey, Tokens, read_keys

KEY = SigningKey.new("k1")
NOW = int(datetime.now(UTC).timestamp())
DAY = 86_400  # longer than a run of all tests, which this module is imported at the start of
CLAIMS = {"iss": "gateway", "aud": "workbook", "sub": "user123", "iat": NOW, "nbf": NOW, "exp": NOW + DAY}
HEADER = {"kid": "k1", "typ": "at+jwt"}


def tokens(*keys: SigningKey, clock: ManualClock | None = None) -> Tokens:
    at = {"clock": clock} if clock else {}
    return Tokens(keys or (KEY,), issuer="gateway", audience="workbook", **at)  # type: ignore[arg-type]


def signed(claims: dict[str, Any], header: dict[str, Any] = HEADER, key: SigningKey = KEY) -> str:
    return jwt.encode(claims, key.private, "EdDSA", header)


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def unsigned(algorithm: str) -> str:
    return f"{encoded({'alg': algorithm, **HEADER})}.{encoded(CLAIMS)}."


def keyed_with_the_public_key(public: bytes, algorithm: str = "HS256") -> str:
    """Passes a verifier that takes the algorithm from the token (CVE-2016-10555 and many since)."""
    signing_input = f"{encoded({'alg': algorithm, **HEADER})}.{encoded(CLAIMS)}"
    mac = hmac.new(public, signing_input.encode(), hashlib.sha256).digest()
    return f"{signing_input}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def public_pem() -> bytes:
    return KEY.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def by_rsa() -> str:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(CLAIMS, stranger, "RS256", HEADER)


def tampered() -> str:
    header, payload, signature = tokens().issue("user123").split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return f"{header}.{encoded(claims | {'sub': 'user124'})}.{signature}"


def with_embedded_key() -> str:
    """RFC 8725, 3.5 and 3.10: a key that the token brings along proves nothing."""
    stranger = SigningKey.new("k1")
    jwk = tokens(stranger).key_set()["keys"][0]
    return signed(CLAIMS, HEADER | {"jwk": jwk, "jku": "http://127.0.0.1:1/keys"}, stranger)


FORGED: dict[str, Callable[[], str]] = {
    "none": lambda: unsigned("none"),
    "None": lambda: unsigned("None"),
    "no algorithm": lambda: f"{encoded(HEADER)}.{encoded(CLAIMS)}.",
    "HS256 keyed with the public PEM": lambda: keyed_with_the_public_key(public_pem()),
    "HS256 keyed with the public bytes": lambda: keyed_with_the_public_key(
        KEY.private.public_key().public_bytes_raw()
    ),
    "EdDSA in the header, an HMAC for signature": lambda: keyed_with_the_public_key(public_pem(), "EdDSA"),
    "RS256": by_rsa,
    "another's key under our id": lambda: signed(CLAIMS, key=SigningKey.new("k1")),
    "a key that it brings along": with_embedded_key,
    "an unknown key id": lambda: signed(CLAIMS, HEADER | {"kid": "../../dev/null"}),
    "no key id": lambda: signed(CLAIMS, {"typ": "at+jwt"}),
    "tampered": tampered,
    "signature cut off": lambda: tokens().issue("user123").rpartition(".")[0] + ".",
    "another type of token": lambda: signed(CLAIMS, HEADER | {"typ": "JWT"}),
    "a critical extension": lambda: signed(CLAIMS, HEADER | {"crit": ["exp2"], "exp2": 1}),
    "wrong audience": lambda: signed(CLAIMS | {"aud": "another"}),
    "wrong issuer": lambda: signed(CLAIMS | {"iss": "another"}),
    "not yet valid": lambda: signed(CLAIMS | {"nbf": NOW + DAY}),
    "issued in the future": lambda: signed(CLAIMS | {"iat": NOW + DAY}),
    "expires in text": lambda: signed(CLAIMS | {"exp": "never"}),
    "a subject that is no text": lambda: signed(CLAIMS | {"sub": {"id": 1}}),
    **{
        f"no {claim}": lambda claim=claim: signed(  # type: ignore[misc]
            {name: value for name, value in CLAIMS.items() if name != claim}
        )
        for claim in CLAIMS
    },
    "too long": lambda: signed(CLAIMS | {"more": "x" * 5000}),
    "nothing": lambda: "",
    "three dots": lambda: "...",
    "not base64": lambda: "ä.ö.ü",
    "a header that is a list": lambda: f"{encoded([1])}.{encoded(CLAIMS)}.",
    "a key id that is a list": lambda: (
        f"{encoded({'alg': 'EdDSA', 'typ': 'at+jwt', 'kid': ['k1']})}.{encoded(CLAIMS)}."
    ),
    "a deeply nested header": lambda: f"{base64.urlsafe_b64encode(b'[' * 2997).decode()}.e30.",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_or_unfit_token_is_refused_as_not_valid(forge: Callable[[], str]) -> None:
    with pytest.raises(Unauthenticated, match=r"^The token isn't valid\.$") as refused:
        tokens().check(forge())
    assert refused.value.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}


def test_the_attack_with_the_public_key_is_a_real_one() -> None:
    """It passes where the algorithm is the token's choice: it isn't refused for its form."""
    header, payload, signature = keyed_with_the_public_key(public_pem()).split(".")
    expected = hmac.new(public_pem(), f"{header}.{payload}".encode(), "sha256").digest()
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["alg"] == "HS256"
    assert hmac.compare_digest(base64.urlsafe_b64decode(signature + "=="), expected)


def test_a_token_says_who_and_until_when() -> None:
    before = datetime.now(UTC)
    claims = tokens().check(tokens().issue("user123"))
    assert claims.subject == "user123"
    assert claims.expires_at - before > timedelta(seconds=899)  # issued in whole seconds
    assert claims.expires_at - datetime.now(UTC) <= timedelta(seconds=900)


def test_each_token_has_an_id_of_its_own() -> None:
    ids = {tokens().check(tokens().issue("user123")).token_id for _ in range(10)}
    assert len(ids) == 10


def test_an_expired_token_is_told_from_a_forged_one() -> None:
    earlier = ManualClock(datetime.now(UTC) - timedelta(seconds=901))
    with pytest.raises(Unauthenticated, match="has expired"):
        tokens().check(tokens(clock=earlier).issue("user123"))


def test_keys_rotate_without_a_break() -> None:
    """New key in front: old tokens hold until they expire; old key dropped: they don't."""
    old, new = SigningKey.new("2026-10"), SigningKey.new("2026-11")
    issued_before = tokens(old).issue("user123")
    rotating = tokens(new, old)
    assert rotating.check(issued_before).subject == "user123"
    assert jwt.get_unverified_header(rotating.issue("user123"))["kid"] == "2026-11"
    with pytest.raises(Unauthenticated):
        tokens(new).check(issued_before)


def test_whoever_has_the_public_keys_can_check_a_token_with_any_library() -> None:
    keys = jwt.PyJWKSet.from_dict(tokens().key_set())  # type: ignore[arg-type]
    token = tokens().issue("user123")
    assert jwt.decode(token, keys["k1"], audience="workbook")["sub"] == "user123"


def test_the_published_keys_hold_nothing_secret() -> None:
    (published,) = tokens().key_set()["keys"]
    assert published.keys() == {"kty", "crv", "use", "alg", "kid", "x"}
    assert KEY.text().get_secret_value().partition(":")[2] not in published.values()


def test_keys_are_read_as_they_are_written() -> None:
    one, two = SigningKey.new("a"), SigningKey.new("b")
    text = SecretStr(f"{one.text().get_secret_value()}, {two.text().get_secret_value()}")
    read = read_keys(text)
    assert [key.id for key in read] == ["a", "b"]
    assert tokens(*read).check(tokens(one).issue("u1")).subject == "u1"
    assert one.text().get_secret_value() not in repr(one.text())


@pytest.mark.parametrize(
    "text", ["", "secret", "a:secret", f"a:{'x' * 44}", f":{'x' * 43}", "a b:" + "x" * 43]
)
def test_what_is_no_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="key 1") as refused:
        read_keys(SecretStr(text))
    assert "secret" not in str(refused.value)
    assert "xxx" not in str(refused.value)


def test_two_keys_of_one_id_are_refused() -> None:
    text = ",".join(SigningKey.new("a").text().get_secret_value() for _ in range(2))
    with pytest.raises(ValueError, match="same id"):
        read_keys(SecretStr(text))
