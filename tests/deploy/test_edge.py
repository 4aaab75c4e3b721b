"""The edge's overlay: one pod with the group, which is told nothing that no service of it knows."""

import pytest

from tests.deploy.kept import spec_of, unknown_variables
from tests.deploy.rendered import objects
from workbook_lib.lab.edge import EDGE_SERVICES

OF_THE_C_LIBRARY = {"MALLOC_ARENA_MAX"}


@pytest.fixture(scope="module")
def by_kind():
    found = {each["kind"]: each for each in objects("edge")}
    assert found.keys() == {"Namespace", "Deployment", "PersistentVolumeClaim", "Service", "Ingress"}
    assert len(objects("edge")) == len(found)
    return found


def test_the_pod_runs_the_group_of_the_services_that_the_chapter_measures(by_kind):
    group, redis = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert group["command"] == ["python", "-m", "workbook_lib.kit.service.group"]
    assert group["args"] == [f"services.{name}" for name in EDGE_SERVICES]
    told = {each["name"]: each["value"] for each in group["env"]}
    assert unknown_variables(spec_of("gateway"), {n for n in told if n.startswith("GATEWAY_")}) == set()
    shared = {name for name in told if not name.startswith("GATEWAY_")} - OF_THE_C_LIBRARY
    assert unknown_variables(spec_of("users"), shared, shared=True) == set()
    assert not {"KAFKA_BOOTSTRAP_SERVERS", "CONSUL_HTTP_ADDR", "OTEL_EXPORTER_OTLP_ENDPOINT"} & told.keys()
    assert redis["image"].startswith("redis:")


def test_all_find_each_other_at_the_ports_that_they_have_by_themselves():
    """No address is told in the manifest, since the defaults are those of one machine."""
    default = {name: spec_of(name).settings.model_fields for name in EDGE_SERVICES}
    grpc = {name: f"127.0.0.1:{default[name]['grpc_port'].default}" for name in ("inventory", "orders")}
    assert default["orders"]["inventory_url"].default == grpc["inventory"]
    assert default["users"]["orders_url"].default == grpc["orders"]
    assert default["gateway"]["orders_url"].default == grpc["orders"]
    assert default["gateway"]["inventory_url"].default == grpc["inventory"]
    assert default["gateway"]["users_url"].default == f"http://127.0.0.1:{default['users']['port'].default}"


def test_databases_outlive_the_pod_and_are_never_written_by_two(by_kind):
    spec = by_kind["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    [state] = [volume for volume in spec["template"]["spec"]["volumes"] if volume["name"] == "state"]
    claim = by_kind["PersistentVolumeClaim"]
    assert state["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["storageClassName"] == "local-path"
    group = spec["template"]["spec"]["containers"][0]
    assert {"name": "state", "mountPath": group["workingDir"]} in group["volumeMounts"]


def test_the_pod_may_do_as_little_as_any_other_and_has_time_to_drain(by_kind):
    pod = by_kind["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"].keys() == {"requests", "limits"}
    grace = spec_of("users").settings.model_fields["stop_grace_seconds"].default
    assert pod["terminationGracePeriodSeconds"] > len(EDGE_SERVICES) * (grace + 1)


def test_the_outside_reaches_the_gateway_alone(by_kind):
    group = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert group["ports"] == [
        {"name": "http", "containerPort": spec_of("gateway").settings.model_fields["port"].default}
    ]
    hosts = {each["name"]: each["value"] for each in group["env"] if each["name"].endswith("_HOST")}
    assert hosts == {"GATEWAY_HOST": "0.0.0.0"}
    assert by_kind["Ingress"]["spec"]["ingressClassName"] == "traefik"
