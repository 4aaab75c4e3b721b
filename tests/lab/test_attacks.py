"""The attacks are real: each one deceives a verifier that makes the mistake it lives on."""

import base64
import hashlib
import hmac
import json

import jwt
import pytest

from workbook_lib.kit.errors import Unauthenticated
from workbook_lib.kit.security.tokens import SigningKey, Tokens
from workbook_lib.lab.attacks import forged_tokens, read_token

TOKENS = Tokens([SigningKey.new("k1")], issuer="gateway", audience="workbook")
TOKEN = TOKENS.issue("user123")
FORGED = forged_tokens(TOKEN, TOKENS.key_set(), subject="user124")


def verifies_by_hmac(token: str, secret: bytes) -> bool:
    signed, _, signature = token.rpartition(".")
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).decode().rstrip("=") == signature


def test_a_token_can_be_read_by_anybody():
    read = read_token(TOKEN)
    assert read["header"]["kid"] == "k1"
    assert read["claims"]["sub"] == "user123"


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
def test_each_claims_to_be_somebody_else_and_is_refused(token):
    assert read_token(token)["claims"]["sub"] == "user124"
    with pytest.raises(Unauthenticated):
        TOKENS.check(token)


def test_a_verifier_that_checks_no_signature_believes_all_of_them():
    for token in FORGED.values():
        assert jwt.decode(token, options={"verify_signature": False})["sub"] == "user124"


def test_a_verifier_that_lets_the_token_choose_the_algorithm_believes_the_public_key():
    public = base64.urlsafe_b64decode(TOKENS.key_set()["keys"][0]["x"] + "=")
    token = FORGED["HS256, its secret our public key"]
    assert read_token(token)["header"]["alg"] == "HS256"
    assert verifies_by_hmac(token, public)
    assert not verifies_by_hmac(TOKEN, public)
    assert json.dumps(read_token(FORGED['algorithm "none"'])["header"]).count("none") == 1
