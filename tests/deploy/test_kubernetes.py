"""The manifests: every service has its objects, and each name in them is one that somebody knows."""

import re
from collections import Counter

import pytest

from tests.deploy.kept import SERVICES, option_names, spec_of, unknown_variables
from tests.deploy.rendered import OVERLAYS, objects

# Variables that the manifests define to make others of.
HELPERS = {"POD_IP", "POD_NAME", "DATABASE_NAME"}
SECRET = {"OPERATOR_TOKEN", "DATABASE_SERVER", "POSTGRES_URL"}
ONE_POD = {"reports", "oncall"}
each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
each_service = pytest.mark.parametrize("module", SERVICES)


def _of(overlay, kind, name=None):
    found = [each for each in objects(overlay) if each["kind"] == kind]
    return found if name is None else next(each for each in found if each["metadata"]["name"] == name)


def _pod(deployment):
    return deployment["spec"]["template"]["spec"]


@each_overlay
def test_every_service_has_its_objects_and_no_stranger_has_any(overlay):
    names = {spec_of(module).name for module in SERVICES}
    kinds = {
        kind: Counter(each["metadata"]["name"] for each in _of(overlay, kind))
        for kind in ("Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service", "Ingress")
    }
    once = Counter(names)
    assert kinds == {
        "Deployment": once,
        "HorizontalPodAutoscaler": Counter(names - ONE_POD),
        "PodDisruptionBudget": Counter(names - ONE_POD),
        "Service": once + Counter(["gateway-node-port"]),
        "Ingress": Counter(["gateway"]),
    }
    namespaces = {
        each["metadata"].get("namespace") for each in objects(overlay) if each["kind"] != "Namespace"
    }
    assert namespaces == {f"workbook-{overlay}"}


@each_overlay
@each_service
def test_a_deployment_selects_its_own_pods_and_tells_the_service_what_it_knows(overlay, module):
    spec = spec_of(module)
    deployment = _of(overlay, "Deployment", spec.name)
    label = {"app.kubernetes.io/name": spec.name}
    assert deployment["spec"]["selector"]["matchLabels"] == label
    assert label.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    (container,) = _pod(deployment)["containers"]
    assert container["command"] == ["python", "-m", f"services.{module}"]
    assert option_names(container["args"]) <= set(spec.settings.model_fields)
    prefix = spec.settings.model_config["env_prefix"]
    told = {each["name"] for each in container.get("env", [])} - HELPERS
    own = {name for name in told if name.startswith(prefix)}
    assert unknown_variables(spec, own) == set()
    assert unknown_variables(spec, told - own, shared=True) == set()


@each_overlay
def test_what_all_services_are_told_is_read_by_some(overlay):
    (settings,) = _of(overlay, "ConfigMap")
    assert unknown_variables(spec_of("users"), set(settings["data"]), shared=True) == set()
    assert settings["data"]["SERVICE_ENVIRONMENT"] == overlay
    for secret in _of(overlay, "Secret"):
        assert set(secret.get("data", {})) <= SECRET


@each_overlay
@each_service
def test_ports_are_the_same_in_service_pod_and_probes(overlay, module):
    spec = spec_of(module)
    (container,) = _pod(_of(overlay, "Deployment", spec.name))["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": 8000} | ({"grpc": 9000} if spec.grpc else {})
    assert "--port=8000" in container["args"]
    assert {each["name"]: each.get("value") for each in container.get("env", [])}.get(
        f"{module.upper()}_GRPC_PORT"
    ) == ("9000" if spec.grpc else None)
    service = _of(overlay, "Service", spec.name)["spec"]
    assert {port["targetPort"] for port in service["ports"]} == set(ports)
    assert service["selector"] == {"app.kubernetes.io/name": spec.name}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        (how,) = (container[probe][each] for each in ("httpGet", "tcpSocket") if each in container[probe])
        assert how["port"] in ports


@each_overlay
def test_an_address_of_another_service_leads_to_a_port_that_it_has(overlay):
    ports = {
        (service["metadata"]["name"], port["name"])
        for service in _of(overlay, "Service")
        for port in service["spec"]["ports"]
    }
    variables = {f"{name.upper().replace('-', '_')}_SERVICE_HOST" for name, _ in ports} | {
        f"{name.upper().replace('-', '_')}_SERVICE_PORT{suffix}"
        for name, port in ports
        for suffix in ("", f"_{port.upper()}")
    }
    used = {
        variable
        for deployment in _of(overlay, "Deployment")
        for each in _pod(deployment)["containers"][0].get("env", [])
        for variable in re.findall(r"\$\((\w+)\)", each.get("value", ""))
    }
    assert len(used) > 10
    assert used - variables - HELPERS - SECRET == set()


@each_overlay
def test_a_pod_may_do_little_and_has_time_to_drain(overlay):
    for deployment in _of(overlay, "Deployment"):
        pod = _pod(deployment)
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"].keys() == {"requests", "limits"}
        grace = spec_of("users").settings.model_fields["stop_grace_seconds"].default
        sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] > sleep + grace
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_only_where_several_pods_share_one_is_a_database_on_a_server():
    for overlay in OVERLAYS:
        for module in SERVICES:
            deployment = _of(overlay, "Deployment", spec_of(module).name)
            told = {each["name"] for each in _pod(deployment)["containers"][0].get("env", [])}
            has_one = "database_url" in spec_of(module).settings.model_fields
            assert ("DATABASE_URL" in told) is (has_one and overlay != "dev"), (overlay, module)
            replicas = deployment["spec"]["replicas"]
            assert replicas == 1 if overlay == "dev" or module in ONE_POD else replicas > 1


def test_secrets_of_other_environments_than_dev_are_not_kept_here():
    assert [overlay for overlay in OVERLAYS if _of(overlay, "Secret")] == ["dev"]
