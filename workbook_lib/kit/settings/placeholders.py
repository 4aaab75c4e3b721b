"""`${NAME}` in values, filled from Consul or the environment at start."""

import os
import re
from collections.abc import Mapping

from workbook_lib.kit.settings.given import Given, SettingsError
from workbook_lib.kit.settings.masking import names_a_secret

__all__ = ["Placeholders"]

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


class Placeholders:
    """Fills `${NAME}`: from Consul's entries in capitals where there are any, else from the environment.

    `central` holds those entries and `where` says where they were looked for. What was filled in is not
    looked at again, so a value can't ask for further ones.
    """

    def __init__(self, central: Mapping[str, Given] | None = None, where: str = "") -> None:
        self._central = central or {}
        self._where = where
        self.secrets: set[str] = set()
        """What was filled in under a name of a secret (DB_PASSWORD), to be masked wherever it shows up."""

    def fill_all(self, layer: Mapping[str, Given]) -> dict[str, Given]:
        """The layer with all placeholders filled. Raises SettingsError naming every missing one."""
        filled: dict[str, Given] = {}
        problems: list[str] = []
        for name, given in layer.items():
            try:
                filled[name] = self._filled(name, given)
            except SettingsError as error:
                problems.append(str(error))
        if problems:
            raise SettingsError("; ".join(problems))
        return filled

    def _filled(self, name: str, given: Given) -> Given:
        origins: dict[str, str] = {}
        value = self._replaced(given.value, name, given.source, origins)
        notes = "".join(f", ${{{variable}}} from {origin}" for variable, origin in origins.items())
        return Given(value, given.source + notes)

    def _replaced(self, value: object, name: str, source: str, origins: dict[str, str]) -> object:
        if isinstance(value, Mapping):
            return {
                key: self._replaced(inner, f"{name}.{key}", source, origins) for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self._replaced(inner, name, source, origins) for inner in value]
        if not isinstance(value, str):
            return value

        def variable(match: re.Match[str]) -> str:
            text, origins[match[1]] = self._looked_up(match[1], name, source)
            return text

        return _PLACEHOLDER.sub(variable, value)

    def _looked_up(self, variable: str, name: str, source: str) -> tuple[str, str]:
        if variable in self._central:
            value, origin = self._central[variable]
            text = str(value)
        elif variable in os.environ:
            text, origin = os.environ[variable], f"environment {variable}"
        else:
            centre = f" and {self._where} no entry {variable}" if self._where else ""
            raise SettingsError(
                f"{name}: the environment has no variable {variable}{centre}; {source} asks for it"
            )
        if names_a_secret(variable):
            self.secrets.add(text)
        return text, origin
