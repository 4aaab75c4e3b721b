"""What services can be told: the fields that all have, and those of a database, a cache, messaging."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import (
    Field,
    FieldSerializationInfo,
    PrivateAttr,
    SecretStr,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from workbook_lib.kit import failpoints
from workbook_lib.kit.settings.given import Given, read_text
from workbook_lib.kit.settings.masking import MASK, masked, names_a_secret
from workbook_lib.kit.settings.placeholders import Placeholders

__all__ = [
    "EnvironmentVariables",
    "ServiceSettings",
    "WithDatabase",
    "WithKafka",
    "WithRedis",
    "variables_of",
]

# Variables that mean the same for every service, by the field that they fill.
_SHARED_VARIABLES: Mapping[str, str] = {
    "environment": "SERVICE_ENVIRONMENT",
    "deployment": "SERVICE_DEPLOYMENT",
    "weight": "SERVICE_WEIGHT",
    "config_dir": "SERVICE_CONFIG_DIR",
    "config_prefix": "SERVICE_CONFIG_PREFIX",
    "consul_http_addr": "CONSUL_HTTP_ADDR",
    "consul_http_token": "CONSUL_HTTP_TOKEN",
    "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "trace_ratio": "TRACE_RATIO",
    "operator_token": "OPERATOR_TOKEN",
    "failpoints": "SERVICE_FAILPOINTS",
    "check_interval_seconds": "CHECK_INTERVAL_SECONDS",
    "database_url": "DATABASE_URL",
    "postgres_url": "POSTGRES_URL",
    "redis_url": "REDIS_URL",
    "kafka_bootstrap_servers": "KAFKA_BOOTSTRAP_SERVERS",
    "amqp_url": "AMQP_URL",
}


class ServiceSettings(BaseSettings):
    """What every service can be told; each subclasses it with its name, port, `env_prefix` and fields."""

    # An error that quotes the value that it refuses would put a secret into a log.
    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True
    )

    service: str = Field(default="service", description="name in Consul, in traces and in logs")
    instance: str = Field(
        default="", description="name of this process among its like; empty: <service>-<port>"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on, and to register")
    port: int = Field(default=8080, ge=1, le=65535, description="port for HTTP")
    grpc_port: int | None = Field(
        default=None, ge=1, le=65535, description="port for gRPC, if the service has any"
    )
    environment: Literal["dev", "staging", "prod"] = Field(default="dev", description="dev, staging or prod")
    deployment: str | None = Field(
        default=None, description="which of several deployments this is, such as blue; told to Consul"
    )
    version: str | None = Field(
        default=None, description="which version of the service this is, such as v2; told to Consul"
    )
    weight: int = Field(
        default=1000,
        ge=1,
        le=65535,
        description="share of the calls that it takes next to other instances of its service; told to Consul",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default_factory=lambda data: "DEBUG" if data.get("environment") == "dev" else "INFO",
        description="least level logged; default: DEBUG in dev, INFO elsewhere",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="form of the log; auto: for people on a terminal in dev, else JSON"
    )
    config_dir: Path | None = Field(
        default=None, description="folder with a settings file per environment, such as prod.toml"
    )
    config_prefix: str | None = Field(
        default=None,
        description="read settings at start from Consul's KV under <this>/<environment>/; none: don't",
    )
    consul_http_addr: str | None = Field(
        default=None, description="Consul agent to register with; none: don't"
    )
    consul_http_token: SecretStr | None = Field(
        default=None, description="ACL token for Consul; none: what it allows to anybody"
    )
    otlp_endpoint: str | None = Field(
        default=None, description="OTLP/HTTP base URL for spans; none: keep them"
    )
    trace_ratio: float = Field(
        default=1.0, ge=0, le=1, description="share of the traces that begin here which is recorded"
    )
    trust_baggage: bool = Field(
        default=True, description="take over callers' baggage, such as the tenant; not at an edge"
    )
    check_interval_seconds: float = Field(default=10, ge=1, description="how often Consul asks for /health")
    stop_grace_seconds: float = Field(
        default=5, ge=0, description="time for requests under way when stopping"
    )
    max_body_bytes: int = Field(default=1_048_576, ge=0, description="largest request body that is read")
    operator_token: SecretStr | None = Field(
        default=None, description="opens /debug to callers on this machine; none: there is no /debug"
    )
    failpoints: str | None = Field(
        default=None,
        description="faults armed from the start: name=kill|stop|error[*pass], by ;. Not in prod",
    )

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    _secrets: set[str] = PrivateAttr(default_factory=set)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Given values first, then the environment; the other layers are `load`'s business."""
        return init_settings, EnvironmentVariables(settings_cls)

    @property
    def consul_token(self) -> str | None:
        """The ACL token in clear, for a client of Consul."""
        return self.consul_http_token.get_secret_value() if self.consul_http_token else None

    def shown(self, name: str) -> str:
        """The value of a setting as anybody may see it."""
        value = getattr(self, name)
        if names_a_secret(name) and value is not None:
            return MASK
        return masked(str(value), self._secrets)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """What repr, str and rich print: nothing that `shown` hides."""
        return ((name, self._open(name, getattr(self, name))) for name in type(self).model_fields)

    @field_serializer("*", mode="wrap", when_used="json")
    def _masked_in_json(
        self, value: object, to_json: SerializerFunctionWrapHandler, info: FieldSerializationInfo
    ) -> object:
        # A log line takes any object, and writes it as JSON.
        return self._open(info.field_name, to_json(value))

    def _open(self, name: str, value: object) -> object:
        shown = self.shown(name)
        return value if shown == str(getattr(self, name)) else shown

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("consul_http_addr")
    @classmethod
    def _with_scheme(cls, value: str | None) -> str | None:
        # Consul's own tools allow CONSUL_HTTP_ADDR without a scheme.
        return f"http://{value}" if value and "://" not in value else value

    @field_validator("failpoints")
    @classmethod
    def _readable_and_not_in_prod(cls, value: str | None, info: ValidationInfo) -> str | None:
        if failpoints.parse(value or "") and info.data.get("environment") == "prod":
            raise ValueError("no fault is armed in prod")
        return value

    @model_validator(mode="after")
    def _name_instance(self) -> Self:
        if not self.instance:
            object.__setattr__(self, "instance", f"{self.service}-{self.port}")
        return self


class WithDatabase(ServiceSettings):
    """Adds the service's own database."""

    database_url: str = Field(
        default_factory=lambda data: f"sqlite:///{data.get('service', 'service')}.db",
        description="SQLAlchemy URL; sqlite:// and postgresql:// are supported; default: <service>.db here",
    )
    database_user: str | None = Field(
        default=None, description="account at the database server; a SQLite file has none and ignores it"
    )
    database_password: SecretStr | None = Field(default=None, description="password of database_user")

    @model_validator(mode="after")
    def _with_account(self) -> Self:
        server = urlsplit(self.database_url).netloc
        if self.database_user is None or not server:
            return self
        if "@" in server:
            raise ValueError("database_url names an account already, and so does database_user")
        account = quote(self.database_user, safe="")
        if self.database_password is not None:
            account += f":{quote(self.database_password.get_secret_value(), safe='')}"
        object.__setattr__(self, "database_url", self.database_url.replace("://", f"://{account}@", 1))
        return self


class WithRedis(ServiceSettings):
    """Adds a cache."""

    redis_url: str = Field(default="redis://127.0.0.1:6379/0", description="Redis to cache in")


class WithKafka(ServiceSettings):
    """Adds messaging."""

    kafka_bootstrap_servers: str = Field(
        default="127.0.0.1:9092", description="Kafka brokers, host:port by commas"
    )


class EnvironmentVariables(PydanticBaseSettingsSource):
    """Values from variables, the service's own before the shared one; an empty one counts as unset."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """What the environment says of one setting: text, the variable (empty: none), whether it is JSON."""
        for variable in variables_of(self.settings_cls, field_name):
            if text := os.environ.get(variable):
                return text, variable, self.field_is_complex(field)
        return None, "", False

    def __call__(self) -> dict[str, Any]:
        """By setting, its value; placeholders are filled from the environment."""
        return {name: value for name, (value, _) in Placeholders().fill_all(self.found()).items()}

    def found(self) -> dict[str, Given]:
        """By setting, what was given; placeholders are left as they are."""
        layer: dict[str, Given] = {}
        for name, field in self.settings_cls.model_fields.items():
            text, variable, is_json = self.get_field_value(field, name)
            if variable:
                layer[name] = read_text(text, name, f"environment {variable}", is_json=is_json)
        return layer


def variables_of(settings_type: type[BaseSettings], field_name: str) -> list[str]:
    """The variables that fill a setting, the winning one first."""
    own = f"{settings_type.model_config.get('env_prefix') or ''}{field_name}".upper()
    shared = _SHARED_VARIABLES.get(field_name)
    return [own, shared] if shared else [own]
