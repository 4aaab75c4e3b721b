"""Settings of who may call the gateway, from where, and how often."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from workbook_lib.kit.limits import Quota
from workbook_lib.kit.security.client_address import networks
from workbook_lib.kit.security.cors import CorsPolicy
from workbook_lib.kit.security.tokens import read_keys
from workbook_lib.kit.settings import ServiceSettings

__all__ = ["AccessSettings"]


def _quota(text: str) -> str:
    Quota.read("quota", text)
    return text


def _keys(keys: SecretStr | None) -> SecretStr | None:
    if keys is not None:
        read_keys(keys)
    return keys


def _networks(addresses: list[str]) -> list[str]:
    networks(addresses)
    return addresses


QuotaText = Annotated[str, AfterValidator(_quota)]


class AccessSettings(ServiceSettings):
    """Logins, origins, limits. By default no origin and no proxy is trusted, and only logins are limited."""

    token_keys: Annotated[SecretStr | None, AfterValidator(_keys)] = Field(
        default=None,
        description="Ed25519 keys of tokens, <id>:<32 bytes in base64url> by commas, the first one signs; "
        "none: in dev one that ends with the process, elsewhere no tokens",
    )
    token_seconds: int = Field(default=900, ge=1, description="how long a token is good")
    session_idle_seconds: float = Field(
        default=1800, gt=0, description="a session ends so long after its last use"
    )
    session_seconds: float = Field(default=43_200, gt=0, description="a session ends so long after the login")
    cookie_secure: bool = Field(
        default=True,
        description="send the session's cookie over HTTPS only; false only for trying things out",
    )
    cors_origins: list[str] = Field(default=[], description="origins whose pages may call, a JSON list")
    cors_credentials: bool = Field(default=False, description="and may do so with the session's cookie")
    trusted_proxies: Annotated[list[str], AfterValidator(_networks)] = Field(
        default=[], description="addresses and networks whose X-Forwarded-For is believed, a JSON list"
    )
    rate_limit: QuotaText = Field(
        default="", description="requests for each caller's address, such as 600/60s; empty: no limit"
    )
    rate_limit_by: Literal["token_bucket", "sliding_window"] = Field(
        default="token_bucket", description="how rate_limit counts; a token bucket lets a burst through"
    )
    concurrency_limit: int = Field(
        default=0, ge=0, description="requests of one address at the same time, in each instance; 0: no limit"
    )
    login_limit: QuotaText = Field(
        default="20/60s", description="logins tried for each address, and for each account; empty: no limit"
    )
    limits_shared: bool = Field(
        default=False, description="count limits in Redis for all instances together; else in each by itself"
    )

    @model_validator(mode="after")
    def _cors_is_safe(self) -> Self:
        self.cors_policy()
        return self

    def cors_policy(self) -> CorsPolicy:
        """What other origins may do. Raises ValueError for a policy that opens too much."""
        return CorsPolicy(origins=tuple(self.cors_origins), credentials=self.cors_credentials)
