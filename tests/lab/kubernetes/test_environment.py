"""A container's variables are put together as Kubernetes documents it."""

import pytest
from lightkube.models.core_v1 import (
    ConfigMapEnvSource,
    ConfigMapKeySelector,
    Container,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    ObjectFieldSelector,
    PodSpec,
    ResourceFieldSelector,
    ResourceRequirements,
    SecretKeySelector,
    ServicePort,
    ServiceSpec,
)
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Pod, Service

from workbook_lib.lab.kubernetes.environment import (
    ConfigError,
    container_environment,
    expand,
    service_variables,
)


class _Sources:
    async def config_map(self, namespace, name):
        return {"mode": "slow", "A": "from the map"} if (namespace, name) == ("shop", "settings") else None

    async def secret(self, namespace, name):
        return {"token": "s3"} if (namespace, name) == ("shop", "keys") else None


def _service(name, *ports, namespace="shop", ip="10.96.0.9"):
    spec = ServiceSpec(clusterIP=ip, ports=list(ports))
    return Service(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec)


async def _variables(container, services=(), **spec):
    meta = ObjectMeta(name="a-pod", namespace="shop", labels={"app": "web"})
    pod = Pod(metadata=meta, spec=PodSpec(containers=[container], **spec))
    return await container_environment(pod, container, "127.244.0.2", services, _Sources())


def _from(name, **source):
    return EnvVar(name=name, valueFrom=EnvVarSource(**source))


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("--host=$(IP)", "--host=127.244.0.2"),
        ("$(NOT_THERE)/x", "$(NOT_THERE)/x"),
        ("$$(IP)", "$(IP)"),
        ("$$$(IP)", "$127.244.0.2"),
        ("$IP costs 5$", "$IP costs 5$"),
    ],
)
def test_references_are_replaced_and_dollars_escaped(text, becomes):
    assert expand(text, {"IP": "127.244.0.2"}) == becomes


def test_a_service_is_told_by_host_port_and_link():
    service = _service(
        "order-service",
        ServicePort(name="http", port=80),
        ServicePort(name="grpc", port=9000, protocol="TCP"),
    )
    told = service_variables([service], "shop")
    assert told["ORDER_SERVICE_SERVICE_HOST"] == "127.96.0.9"
    assert told["ORDER_SERVICE_SERVICE_PORT"] == "80"
    assert told["ORDER_SERVICE_SERVICE_PORT_GRPC"] == "9000"
    assert told["ORDER_SERVICE_PORT"] == "tcp://127.96.0.9:80"
    assert told["ORDER_SERVICE_PORT_9000_TCP_ADDR"] == "127.96.0.9"


def test_other_namespaces_and_headless_services_are_not_told():
    port = ServicePort(port=80)
    assert not service_variables(
        [_service("a", port, namespace="other"), _service("b", port, ip="None")], "shop"
    )


async def test_later_variables_win_and_see_earlier_ones():
    container = Container(
        name="web",
        envFrom=[EnvFromSource(configMapRef=ConfigMapEnvSource(name="settings"), prefix="")],
        env=[
            EnvVar(name="WEB_PORT", value="8000"),
            EnvVar(name="URL", value="http://$(WEB_SERVICE_HOST):$(WEB_PORT)/$(mode)/$(LATER)"),
            EnvVar(name="LATER", value="x"),
        ],
    )
    told = await _variables(container, [_service("web", ServicePort(port=80))])
    assert told["WEB_PORT"] == "8000"  # not the link tcp://…, which is a trap for a service's own setting
    assert told["URL"] == "http://127.96.0.9:8000/slow/$(LATER)"
    assert told["A"] == "from the map"


async def test_without_service_links_nothing_is_told_of_services():
    told = await _variables(
        Container(name="web"), [_service("web", ServicePort(port=80))], enableServiceLinks=False
    )
    assert told == {}


async def test_values_come_from_maps_secrets_and_the_pod_itself():
    container = Container(
        name="web",
        resources=ResourceRequirements(requests={"memory": "64Mi"}),
        env=[
            _from("MODE", configMapKeyRef=ConfigMapKeySelector(name="settings", key="mode")),
            _from("TOKEN", secretKeyRef=SecretKeySelector(name="keys", key="token")),
            _from("POD", fieldRef=ObjectFieldSelector(fieldPath="metadata.name")),
            _from("IP", fieldRef=ObjectFieldSelector(fieldPath="status.podIP")),
            _from("APP", fieldRef=ObjectFieldSelector(fieldPath="metadata.labels['app']")),
            _from("MEMORY", resourceFieldRef=ResourceFieldSelector(resource="requests.memory")),
            _from("NONE", secretKeyRef=SecretKeySelector(name="no", key="no", optional=True)),
            EnvVar(name="LISTEN", value="0.0.0.0"),
        ],
    )
    assert await _variables(container) == {
        "MODE": "slow",
        "TOKEN": "s3",
        "POD": "a-pod",
        "IP": "127.244.0.2",
        "APP": "web",
        "MEMORY": "64Mi",
        "LISTEN": "127.244.0.2",  # all of the pod's addresses, and nobody else's
    }


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"configMapKeyRef": ConfigMapKeySelector(name="no", key="k")}, "configmap 'no' not found"),
        ({"secretKeyRef": SecretKeySelector(name="keys", key="k")}, "couldn't find key k in secret 'keys'"),
        ({"fieldRef": ObjectFieldSelector(fieldPath="spec.hostname")}, "spec.hostname isn't supported"),
    ],
)
async def test_what_is_missing_is_named(source, says):
    with pytest.raises(ConfigError, match=says):
        await _variables(Container(name="web", env=[_from("X", **source)]))
