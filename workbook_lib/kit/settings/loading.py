"""From all layers to one settings object, and back to where each of its values came from."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar, get_args

from pydantic import SecretStr, ValidationError

from workbook_lib.kit.settings.centre import Centre, Entries
from workbook_lib.kit.settings.files import environment_file, read_environment_file, read_file
from workbook_lib.kit.settings.given import Given, SettingsError, read_text
from workbook_lib.kit.settings.masking import masked, names_a_secret
from workbook_lib.kit.settings.model import (
    EnvironmentVariables,
    ServiceSettings,
    WithDatabase,
    WithKafka,
    WithRedis,
    variables_of,
)
from workbook_lib.kit.settings.placeholders import Placeholders

__all__ = ["Origin", "explain", "load"]

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)

# They decide which layers are read, so they can't come from a layer that is found through them.
_STEERING = frozenset(
    {"service", "environment", "config_dir", "config_prefix", "consul_http_addr", "consul_http_token"}
)
_SHARED = frozenset(
    name for kind in (ServiceSettings, WithDatabase, WithRedis, WithKafka) for name in kind.model_fields
)
_ENVIRONMENTS = get_args(ServiceSettings.model_fields["environment"].annotation)


class Origin(NamedTuple):
    """Where one setting's value comes from."""

    name: str
    value: str
    source: str


def load(settings_type: type[SettingsT], argv: Sequence[str] = ()) -> SettingsT:
    """Settings from all layers; `argv` is the command line without the program.

    `--help` prints every setting, `--explain` every value and its origin, and both exit. Raises
    SettingsError for a value, file, name or config centre that is no good; it never tells a secret.
    """
    options = _parser(settings_type).parse_args(argv)
    layers = _Layers(settings_type, options)
    settings = _validated(settings_type, *layers.merged())
    if options.explain:
        print(_table(explain(settings)))
        raise SystemExit(0)
    return settings


def explain(settings: ServiceSettings) -> list[Origin]:
    """Each setting, its value with secrets masked, and the layer that it was taken from."""
    return [
        Origin(name, settings.shown(name), settings._origins.get(name, "default"))
        for name in type(settings).model_fields
    ]


class _Layers:
    """The layers of one start, each read once; which are read at all, the fixed ones decide."""

    def __init__(self, settings_type: type[ServiceSettings], options: argparse.Namespace) -> None:
        self._type = settings_type
        self._variables = EnvironmentVariables(settings_type)
        self._file = read_file(Path(options.config)) if options.config else {}
        self._environment = self._variables.found()
        self._command_line = {
            name: read_text(text, name, "command line", is_json=self._is_json(name))
            for name, text in vars(options).items()
            if name in settings_type.model_fields and text is not None
        }

    def merged(self) -> tuple[dict[str, Given], set[str]]:
        """By setting, the value that wins with its placeholders filled; and the secrets that went in."""
        steering = self._steering()
        centre = self._centre(steering)
        entries = centre.read(_SHARED, self._is_json) if centre else Entries()
        layers = (
            self._file,
            self._of_environment(steering),
            self._environment,
            self._free(entries.settings),
            self._command_line,
        )
        placeholders = Placeholders(entries.placeholders, f"{centre.folder} in Consul" if centre else "")
        # Only the values that win: what a lower layer would have needed doesn't matter.
        winning = {name: given for layer in layers for name, given in layer.items()}
        return placeholders.fill_all(winning), placeholders.secrets

    def _steering(self) -> dict[str, Given]:
        fixed = self._file | self._environment | self._command_line
        return Placeholders().fill_all({name: fixed[name] for name in _STEERING & fixed.keys()})

    def _value(self, steering: Mapping[str, Given], name: str) -> str:
        given = steering[name].value if name in steering else self._type.model_fields[name].default
        if isinstance(given, SecretStr):
            return given.get_secret_value()
        return "" if given is None else str(given)

    def _of_environment(self, steering: Mapping[str, Given]) -> dict[str, Given]:
        folder, environment = self._value(steering, "config_dir"), self._value(steering, "environment")
        if not folder or environment not in _ENVIRONMENTS:  # an unknown one is refused with all the rest
            return {}
        path = environment_file(Path(folder), environment)
        return self._free(read_environment_file(path, self._value(steering, "service"), _SHARED))

    def _centre(self, steering: Mapping[str, Given]) -> Centre | None:
        prefix, environment = self._value(steering, "config_prefix"), self._value(steering, "environment")
        if not prefix or environment not in _ENVIRONMENTS:
            return None
        address = self._value(steering, "consul_http_addr")
        if not address:
            raise SettingsError("config_prefix: there is no Consul to read from; set consul_http_addr")
        token = self._value(steering, "consul_http_token")
        return Centre(address, token or None, prefix, environment, self._value(steering, "service"))

    def _free(self, layer: Mapping[str, Given]) -> dict[str, Given]:
        """A layer of the environment's, without what only other services have; it must not steer."""
        for name in _STEERING & layer.keys():
            raise SettingsError(
                f"{name}: can't be set in {layer[name].source}, as it decides what is read there"
            )
        foreign = _SHARED - self._type.model_fields.keys()
        return {name: given for name, given in layer.items() if name not in foreign}

    def _is_json(self, name: str) -> bool:
        field = self._type.model_fields.get(name)
        return field is not None and self._variables.field_is_complex(field)


def _validated(settings_type: type[SettingsT], given: Mapping[str, Given], secrets: set[str]) -> SettingsT:
    origins = {name: source for name, (_, source) in given.items()}
    try:
        values: dict[str, Any] = {name: value for name, (value, _) in given.items()}
        settings = settings_type(**values)
    except ValidationError as error:
        of_secret_name = {str(value) for name, (value, _) in given.items() if _is_secret(settings_type, name)}
        # Not `from error`: a traceback would print what a validator says of the value.
        raise SettingsError(masked(_explained(error, origins), secrets | of_secret_name)) from None
    settings._origins.update(origins)
    settings._secrets.update(secrets)
    return settings


def _is_secret(settings_type: type[ServiceSettings], name: str) -> bool:
    field = settings_type.model_fields.get(name)
    return names_a_secret(name) or (field is not None and "Secret" in str(field.annotation))


def _explained(error: ValidationError, origins: Mapping[str, str]) -> str:
    problems = []
    for problem in error.errors(include_url=False, include_input=False):
        if problem["type"] == "default_factory_not_called":  # only because another setting is wrong
            continue
        name = str(problem["loc"][0]) if problem["loc"] else "settings"
        source = f" (from {origins[name]})" if name in origins else ""
        message = "no such setting" if problem["type"] == "extra_forbidden" else problem["msg"]
        problems.append(f"{name}{source}: {message}")
    return "; ".join(problems)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def _parser(settings_type: type[ServiceSettings]) -> argparse.ArgumentParser:
    parser = _Parser(
        description=f"Start {settings_type.model_fields['service'].get_default()}.",
        epilog="The command line wins over Consul's config_prefix, that over the environment, that over the "
        "environment's file in config_dir, and that over the --config file.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", help="settings from a .yaml, .toml or .json file")
    parser.add_argument(
        "--explain", action="store_true", help="print each setting's value and where it comes from, and exit"
    )
    for name, field in settings_type.model_fields.items():
        default = (
            ""
            if field.default_factory or field.default is None
            else f"; default {masked(str(field.default))}"
        )
        variables = " or ".join(variables_of(settings_type, name))
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


def _table(origins: Sequence[Origin]) -> str:
    rows = [Origin("setting", "value", "from"), *origins]
    widths = [max(len(row[place]) for row in rows) for place in range(2)]
    return "\n".join(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {source}" for name, value, source in rows)
