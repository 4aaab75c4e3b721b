"""Settings files: YAML, TOML or JSON, one for all environments or one each."""

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workbook_lib.kit.settings.given import Given, SettingsError

__all__ = ["environment_file", "read_environment_file", "read_file"]


def read_file(path: Path, asked_by: str = "--config") -> dict[str, Given]:
    """The layer that a file holds, by setting. Raises SettingsError for one that can't be read."""
    try:
        text = path.read_text(encoding="utf-8")
        content = _PARSERS[path.suffix.lower()](text)
    except OSError as error:
        raise SettingsError(f"{asked_by} {path}: {error.strerror}") from None
    except KeyError:
        raise SettingsError(f"{asked_by} {path}: use a name that ends in {', '.join(_PARSERS)}") from None
    except Exception as error:  # noqa: BLE001 - three parsers, three families of errors
        raise SettingsError(f"{asked_by} {path}: {_without_content(error)}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{asked_by} {path}: must hold names and values")
    return {str(name): Given(value, f"file {path}") for name, value in content.items()}


def environment_file(folder: Path, environment: str) -> Path:
    """The file of an environment in `folder`. Raises SettingsError when there is none, or more than one."""
    found = [path for suffix in _PARSERS if (path := folder / f"{environment}{suffix}").is_file()]
    if len(found) == 1:
        return found[0]
    wanted = f"{environment}.<{'|'.join(suffix[1:] for suffix in _PARSERS)}>"
    some = f"more than one {wanted}" if found else f"no {wanted}"
    raise SettingsError(f"config_dir {folder}: there is {some}")


def read_environment_file(path: Path, service: str, shared: frozenset[str]) -> dict[str, Given]:
    """What an environment's file says to one service.

    Settings that all services may have (`shared`) stand at the top, a service's own in a section of its
    name, which wins; other services' sections are theirs. Anything else at the top is a SettingsError:
    nobody would ever read it.
    """
    content = read_file(path, "config_dir")
    own = content.pop(service, Given({}, "")).value
    if not isinstance(own, Mapping):
        raise SettingsError(f"config_dir {path}: {service} must be a section")
    unread = [
        name for name, (value, _) in content.items() if name not in shared and not isinstance(value, Mapping)
    ]
    if unread:
        raise SettingsError(
            f"config_dir {path}: no setting of all services: {', '.join(unread)}; put it into a section"
        )
    top = {name: given for name, given in content.items() if name in shared}
    return top | {str(name): Given(value, f"file {path} [{service}]") for name, value in own.items()}


def _without_content(error: Exception) -> str:
    """What a parser found wrong and where, without the line that it quotes: that may hold a secret."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:  # YAML's
        return f"{getattr(error, 'problem', None)} (at line {mark.line + 1}, column {mark.column + 1})"
    return " ".join(str(error).split())


def _parse_yaml(text: str) -> object:
    import yaml  # comes with uvicorn[standard]; imported only where such a file is used

    return yaml.safe_load(text) or {}


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
    ".toml": tomllib.loads,
    ".json": json.loads,
}
