"""A service's settings in three layers: a `--config` file, over it the environment, over it the command line.

Each field is documented where it is declared and nowhere else; `--help` and `explain` read it from there. A
service's own variable (USERS_DATABASE_URL) wins over the one that all share (DATABASE_URL). `${NAME}` in a
value is replaced by the environment's NAME.
"""

import argparse
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, Self, TypeVar

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

__all__ = [
    "Origin",
    "ServiceSettings",
    "SettingsError",
    "WithDatabase",
    "WithKafka",
    "WithRedis",
    "explain",
    "load",
]

# Variables that mean the same for every service, by the field that they fill.
_SHARED_VARIABLES: Mapping[str, str] = {
    "consul_http_addr": "CONSUL_HTTP_ADDR",
    "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "check_interval_seconds": "CHECK_INTERVAL_SECONDS",
    "database_url": "DATABASE_URL",
    "redis_url": "REDIS_URL",
    "kafka_bootstrap_servers": "KAFKA_BOOTSTRAP_SERVERS",
}
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^:/@]*):[^@/]*(?=@)")


SettingsT = TypeVar("SettingsT", bound="ServiceSettings")


class SettingsError(Exception):
    """Settings that can't be used; the message names each setting and what is wrong with it."""


class Origin(NamedTuple):
    """Where one setting's value comes from."""

    name: str
    value: str
    source: str


class ServiceSettings(BaseSettings):
    """What every service can be told; each subclasses it with its name, port, `env_prefix` and fields."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, validate_default=True)

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
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="least level logged"
    )
    consul_http_addr: str | None = Field(
        default=None, description="Consul agent to register with; none: don't"
    )
    otlp_endpoint: str | None = Field(
        default=None, description="OTLP/HTTP base URL for spans; none: keep them"
    )
    check_interval_seconds: float = Field(default=10, ge=1, description="how often Consul asks for /health")
    stop_grace_seconds: float = Field(
        default=5, ge=0, description="time for requests under way when stopping"
    )
    max_body_bytes: int = Field(default=1_048_576, ge=0, description="largest request body that is read")

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Given values first, then the environment; files and the command line are `load`'s business."""
        return init_settings, _Environment(settings_cls)

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("consul_http_addr")
    @classmethod
    def _with_scheme(cls, value: str | None) -> str | None:
        # Consul's own tools allow CONSUL_HTTP_ADDR without a scheme.
        return f"http://{value}" if value and "://" not in value else value

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


class WithRedis(ServiceSettings):
    """Adds a cache."""

    redis_url: str = Field(default="redis://127.0.0.1:6379/0", description="Redis to cache in")


class WithKafka(ServiceSettings):
    """Adds messaging."""

    kafka_bootstrap_servers: str = Field(
        default="127.0.0.1:9092", description="Kafka brokers, host:port by commas"
    )


class _Environment(PydanticBaseSettingsSource):
    """Values from variables, the service's own before the shared one; an empty one counts as unset."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        for variable in _variables(self.settings_cls, field_name):
            if text := os.environ.get(variable):
                return text, variable, self.field_is_complex(field)
        return None, "", False

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, (value, _) in self.found().items()}

    def found(self) -> dict[str, tuple[Any, str]]:
        """By setting, its value and the variable that gave it."""
        values: dict[str, tuple[Any, str]] = {}
        for name, field in self.settings_cls.model_fields.items():
            text, variable, is_complex = self.get_field_value(field, name)
            if variable:
                values[name] = _read_text(text, name, is_complex), variable
        return values


def _variables(settings_type: type[BaseSettings], field_name: str) -> list[str]:
    own = f"{settings_type.model_config.get('env_prefix') or ''}{field_name}".upper()
    shared = _SHARED_VARIABLES.get(field_name)
    return [own, shared] if shared else [own]


def _read_text(text: str, name: str, is_complex: bool) -> object:
    if not is_complex:
        return _resolved(text, name)
    try:
        return _resolved(json.loads(text), name)
    except json.JSONDecodeError as error:
        raise SettingsError(f"{name}: not JSON ({error})") from error


def _resolved(value: object, name: str) -> object:
    """`value` with each ${VARIABLE} in its strings replaced from the environment."""
    if isinstance(value, Mapping):
        return {key: _resolved(inner, f"{name}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, name) for inner in value]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        try:
            return os.environ[match[1]]
        except KeyError:
            raise SettingsError(f"{name}: the environment has no variable {match[1]}") from None

    return _PLACEHOLDER.sub(variable, value)


def load(settings_type: type[SettingsT], argv: Sequence[str] = ()) -> SettingsT:
    """Settings from all layers; `argv` is the command line without the program.

    `--help` prints every setting and exits. Raises SettingsError for a value, file or name that is no good.
    """
    environment = _Environment(settings_type)
    given = vars(_parser(settings_type).parse_args(argv))
    file = given.pop("config")
    from_file = _read_file(Path(file)) if file else {}
    found = environment.found()
    from_argv = {
        name: _read_text(text, name, environment.field_is_complex(settings_type.model_fields[name]))
        for name, text in given.items()
        if text is not None
    }
    origins = dict.fromkeys(from_file, f"file {file}")
    origins |= {name: f"environment {variable}" for name, (_, variable) in found.items()}
    origins |= dict.fromkeys(from_argv, "command line")
    try:
        settings = settings_type(
            **(from_file | {name: value for name, (value, _) in found.items()} | from_argv)
        )
    except ValidationError as error:
        raise SettingsError(_explained(error, origins)) from error
    settings._origins.update(origins)
    return settings


def _explained(error: ValidationError, origins: Mapping[str, str]) -> str:
    problems = []
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0]) if problem["loc"] else "settings"
        source = f" (from {origins[name]})" if name in origins else ""
        message = "no such setting" if problem["type"] == "extra_forbidden" else problem["msg"]
        problems.append(f"{name}{source}: {message}")
    return "; ".join(problems)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        content = _PARSERS[path.suffix.lower()](text)
    except OSError as error:
        raise SettingsError(f"--config {path}: {error.strerror}") from error
    except KeyError:
        raise SettingsError(f"--config {path}: use a name that ends in {', '.join(_PARSERS)}") from None
    except Exception as error:  # three parsers, three families of errors
        raise SettingsError(f"--config {path}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"--config {path}: must hold names and values")
    return {str(name): _resolved(value, str(name)) for name, value in content.items()}


def _parse_yaml(text: str) -> object:
    import yaml  # comes with uvicorn[standard]; imported only where such a file is used

    return yaml.safe_load(text) or {}


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
    ".toml": tomllib.loads,
    ".json": json.loads,
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def _parser(settings_type: type[ServiceSettings]) -> argparse.ArgumentParser:
    parser = _Parser(
        description=f"Start {settings_type.model_fields['service'].get_default()}.",
        epilog="The command line wins over the environment, which wins over the --config file.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", help="settings from a .yaml, .toml or .json file")
    for name, field in settings_type.model_fields.items():
        default = (
            "" if field.default_factory or field.default is None else f"; default {_masked(field.default)}"
        )
        variables = " or ".join(_variables(settings_type, name))
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            metavar="VALUE",
            help=f"{_description(settings_type, name)}{default} [{variables}]".replace("%", "%%"),
        )
    return parser


def _description(settings_type: type[ServiceSettings], name: str) -> str:
    """What the field says of itself, or what its base says where a subclass only gives another default."""
    bases = (base for base in settings_type.__mro__ if issubclass(base, ServiceSettings))
    fields = (base.model_fields[name] for base in bases if name in base.model_fields)
    return next((field.description for field in fields if field.description), name)


def _masked(value: object) -> str:
    # str() of a SecretStr already hides it; a URL may hold a password as well.
    return _PASSWORD_IN_URL.sub(r"\1:***", str(value))


def explain(settings: ServiceSettings) -> list[Origin]:
    """Each setting, its value with secrets masked, and the layer that it was taken from."""
    return [
        Origin(name, _masked(getattr(settings, name)), settings._origins.get(name, "default"))
        for name in type(settings).model_fields
    ]
