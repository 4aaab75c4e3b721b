"""The settings of a service like users: a database, a cache, messaging, a secret and a list."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from workbook_lib.kit.settings import WithDatabase, WithKafka, WithRedis


class UsersLike(WithDatabase, WithRedis, WithKafka):
    model_config = SettingsConfigDict(env_prefix="USERS_")

    service: str = Field(default="user-service", description="name in Consul")
    port: int = Field(default=8081, description="port for HTTP")
    token: SecretStr = Field(default=SecretStr("hidden"), description="for the debug routes")
    tags: list[str] = Field(default=[], description="shown in Consul")
