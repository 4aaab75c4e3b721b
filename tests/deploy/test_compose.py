"""compose.yaml: valid, complete, and every name in it is one that a service reads."""

import subprocess
import sys

import pytest
import yaml

from tests.deploy.kept import SERVICES, option_names, spec_of, unknown_variables
from tests.structure import rules

FILE = rules.ROOT / "deploy" / "compose.yaml"
COMPOSE = yaml.safe_load(FILE.read_text())["services"]


def _check(file):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_it_is_valid_by_the_compose_specification(tmp_path):
    assert _check(FILE).returncode == 0
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x, depend_on: [b]}}")
    assert _check(tmp_path / "compose.yaml").returncode == 1


@pytest.mark.parametrize("module", SERVICES)
def test_a_service_is_there_under_its_name_with_settings_that_it_knows(module):
    spec = spec_of(module)
    told = COMPOSE[spec.name]
    assert told["command"][:2] == ["-m", f"services.{module}"]
    assert told["hostname"] == spec.name
    assert option_names(told["command"]) <= set(spec.settings.model_fields)
    assert ("--grpc-port=9000" in told["command"]) is spec.grpc
    own = {name for name in told["environment"] if name.startswith(spec.settings.model_config["env_prefix"])}
    assert unknown_variables(spec, own) == set()
    assert unknown_variables(spec, set(told["environment"]) - own, shared=True) == set()


def test_who_waits_for_a_server_waits_until_it_is_healthy():
    for name, told in COMPOSE.items():
        for needed, how in told.get("depends_on", {}).items():
            assert (how, "healthcheck" in COMPOSE[needed]) == ({"condition": "service_healthy"}, True), name


def test_nothing_is_published_beyond_this_machine():
    ports = [port for told in COMPOSE.values() for port in told.get("ports", [])]
    assert len(ports) >= 3
    assert all(port.startswith("127.0.0.1:") for port in ports)
