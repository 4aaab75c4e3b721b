"""What deploy/ says of services, held against the services themselves."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from tests.structure import rules
from workbook_lib.kit.settings import ServiceSettings
from workbook_lib.kit.settings.model import variables_of

__all__ = ["SERVICES", "Spec", "option_names", "spec_of", "unknown_variables"]

SERVICES = sorted(path.parent.name for path in rules.ROOT.glob("services/*/service.toml"))


@dataclass(frozen=True)
class Spec:
    """A service as its own files tell of it."""

    module: str
    name: str
    grpc: bool
    settings: type[ServiceSettings]


@cache
def spec_of(module: str) -> Spec:
    """The service in `services/<module>`."""
    told = tomllib.loads((rules.ROOT / "services" / module / "service.toml").read_text())
    place = "settings" if (rules.ROOT / "services" / module / "settings.py").exists() else "app"
    found = import_module(f"services.{module}.{place}")
    (settings,) = (
        each
        for each in vars(found).values()
        if isinstance(each, type) and issubclass(each, ServiceSettings) and each.__module__ == found.__name__
    )
    return Spec(module, told["service"], "grpc_port" in told, settings)


def unknown_variables(spec: Spec, names: set[str], *, shared: bool = False) -> set[str]:
    """Those of the names that the service doesn't read; `shared`: that no service reads."""
    readers = [spec_of(module) for module in SERVICES] if shared else [spec]
    known = {
        variable
        for reader in readers
        for field in reader.settings.model_fields
        for variable in variables_of(reader.settings, field)
    }
    return names - known


def option_names(arguments: list[str]) -> set[str]:
    """The settings that a command line sets."""
    return {
        match.group(1).replace("-", "_") for each in arguments if (match := re.match(r"--([\w-]+)=", each))
    }
