"""The lock answers for pyproject.toml, completely, and the conda file for both."""

import importlib.metadata
import re
import sys
import tomllib
from dataclasses import dataclass

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.structure import rules

PYPROJECT = tomllib.loads((rules.ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
# Distributions of which less is used than they ask for: what is said of them in pyproject.toml stands.
CORRECTED = {each["name"]: each for each in PYPROJECT["tool"]["uv"]["dependency-metadata"]}


@dataclass(frozen=True)
class Pin:
    """One entry of a lock."""

    name: str
    version: str
    applies: bool
    hashes: int


def parse_lock(text: str) -> list[Pin]:
    """The entries of a requirements file; anything that isn't `name==version` raises ValueError."""
    pins = []
    for entry in re.sub(r"\\\n", " ", text).splitlines():
        requirement, *hashes = re.split(r"\s+--hash=sha256:", entry.strip())
        pinned = re.fullmatch(r"([\w.-]+)==([\w.!+-]+)(?:\s*;\s*(.+))?", requirement.strip())
        if pinned is None:
            raise ValueError(f"not a pin: {entry}")
        name, version, marker = pinned.groups()
        applies = marker is None or Requirement(f"{name} ; {marker}").marker.evaluate()
        pins.append(Pin(canonicalize_name(name), version, applies, len(hashes)))
    return pins


def unmet(requirements: list[str], versions: dict[str, str], requires) -> list[str]:
    """Requirements, and requirements of requirements (`requires(name)`), that `versions` doesn't satisfy."""
    found, seen = [], set()
    todo = [Requirement(text) for text in requirements]
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        if not wanted.specifier.contains(versions.get(name, "0"), prereleases=True) or name not in versions:
            found.append(f"{wanted} (the lock has {versions.get(name)})")
            continue
        if (name, frozenset(wanted.extras)) in seen:
            continue
        seen.add((name, frozenset(wanted.extras)))
        for inner in (Requirement(text) for text in requires(name)):
            extras = wanted.extras or {""}
            if inner.marker is None or any(
                inner.marker.evaluate({"extra": extra}) for extra in extras | {""}
            ):
                todo.append(inner)
    return found


@pytest.fixture(scope="module")
def pins() -> list[Pin]:
    return parse_lock((rules.ROOT / "requirements.lock").read_text())


def _versions(pins):
    return {pin.name: pin.version for pin in pins if pin.applies}


def test_every_entry_is_pinned_and_hashed(pins):
    assert [pin.name for pin in pins if not pin.hashes] == []
    with pytest.raises(ValueError, match="not a pin"):
        parse_lock("a @ https://example.org/a.whl --hash=sha256:0")
    assert parse_lock("a==1 ; sys_platform == 'none' \\\n    --hash=sha256:0") == [Pin("a", "1", False, 1)]


def _requires(name):
    corrected = CORRECTED.get(name)
    return corrected["requires-dist"] if corrected else importlib.metadata.requires(name) or []


def test_what_is_said_of_a_distribution_is_said_of_the_version_in_the_lock(pins):
    assert {name: _versions(pins)[name] for name in CORRECTED} == {
        name: each["version"] for name, each in CORRECTED.items()
    }


def test_the_lock_satisfies_every_requirement_of_every_extra_and_theirs(pins):
    extras = PROJECT["optional-dependencies"].values()
    wanted = [*PROJECT["dependencies"], *(each for extra in extras for each in extra)]
    requires = {name: _requires(name) for name in _versions(pins)}
    assert unmet(wanted, _versions(pins), requires.__getitem__) == []


def test_the_images_lock_is_what_services_need_of_the_lock_and_nothing_else(pins):
    image = parse_lock((rules.ROOT / "deploy" / "requirements.lock").read_text())
    assert [pin for pin in image if pin not in pins] == []
    requires = {pin.name: _requires(pin.name) for pin in image if pin.applies}
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["model"]]
    assert unmet(wanted, _versions(image), requires.__getitem__) == []
    assert {"jupyterlab", "papermill", "pytest"}.isdisjoint(pin.name for pin in image)


def test_a_missing_and_an_outdated_pin_are_found():
    requires = {"a": ["b>=2", "c; extra == 'x'"], "b": [], "c": []}.__getitem__
    assert unmet(["a"], {"a": "1", "b": "2"}, requires) == []
    assert unmet(["a"], {"a": "1", "b": "1"}, requires) == ["b>=2 (the lock has 1)"]
    assert unmet(["a[x]"], {"a": "1", "b": "2"}, requires) == ['c; extra == "x" (the lock has None)']


def test_this_environment_is_what_the_lock_says(pins):
    installed = {name: importlib.metadata.version(name) for name in _versions(pins)}
    assert installed == _versions(pins)


def test_environment_yml_is_equal_to_pyproject():
    environment = yaml.safe_load((rules.ROOT / "environment.yml").read_text())
    assert environment["name"] == PROJECT["name"]
    *conda, pip = environment["dependencies"]
    assert pip == {"pip": ["-r requirements.lock"]}, "packages come from the one lock"
    python = next(each for each in conda if each.startswith("python="))
    supported = SpecifierSet(PROJECT["requires-python"])
    assert python.removeprefix("python=") in supported
    assert {re.split("[=<>]", each)[0] for each in conda} == {"python", "pip"}
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in supported
