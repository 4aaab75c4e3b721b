"""A container's environment, put together as the kubelet does it.

Later ones win: the variables of the namespace's Services, `envFrom`, `env`. `$(NAME)` in a value, a command
or an argument is replaced by a variable that was defined before it; `$$` is a dollar sign, and what isn't
defined stays as it is (Kubernetes, "Define Dependent Environment Variables").
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from lightkube import ApiError, AsyncClient
from lightkube.models.core_v1 import Container, EnvVar, EnvVarSource, ObjectFieldSelector
from lightkube.resources.core_v1 import ConfigMap, Pod, Secret, Service

from workbook_lib.lab.kubernetes.addresses import stand_in

__all__ = ["ApiSources", "ConfigError", "Sources", "container_environment", "expand", "service_variables"]

_REFERENCE = re.compile(r"\$(\$|\(([-A-Za-z0-9_.]+)\))")


class ConfigError(Exception):
    """A ConfigMap, a Secret, a key or a field that a container needs isn't there."""


class Sources(Protocol):
    """Where ConfigMaps and Secrets are read."""

    async def config_map(self, namespace: str, name: str | None) -> Mapping[str, str] | None:
        """Its data; None when there is none of this name."""
        ...

    async def secret(self, namespace: str, name: str | None) -> Mapping[str, str] | None:
        """Its data, decoded; None when there is none of this name."""
        ...


class ApiSources:
    """Those of the API server."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def config_map(self, namespace: str, name: str | None) -> Mapping[str, str] | None:
        """Its data. Raises ApiError when it can't be read, such as by a node that has no pod using it."""
        try:
            return (await self._client.get(ConfigMap, name or "", namespace=namespace)).data or {}
        except ApiError as error:
            if error.status.code == 404:
                return None
            raise

    async def secret(self, namespace: str, name: str | None) -> Mapping[str, str] | None:
        """Its data, decoded. Raises ApiError as `config_map` does."""
        try:
            data = (await self._client.get(Secret, name or "", namespace=namespace)).data or {}
        except ApiError as error:
            if error.status.code == 404:
                return None
            raise
        return {key: base64.b64decode(value).decode() for key, value in data.items()}


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`text` with each `$(NAME)` replaced."""

    def value(match: re.Match[str]) -> str:
        name = match[2]
        return "$" if name is None else variables.get(name, match[0])

    return _REFERENCE.sub(value, text)


def service_variables(services: Iterable[Service], namespace: str) -> dict[str, str]:
    """What tells a pod of its namespace's Services: {NAME}_SERVICE_HOST and _PORT, and Docker's links."""
    variables: dict[str, str] = {}
    for service in services:
        meta, spec = service.metadata, service.spec
        if meta is None or spec is None or meta.namespace != namespace or not meta.name:
            continue
        if not spec.ports or spec.clusterIP in (None, "", "None"):
            continue
        name, host = _variable(meta.name), stand_in(str(spec.clusterIP))
        first = spec.ports[0].port
        variables |= {f"{name}_SERVICE_HOST": host, f"{name}_SERVICE_PORT": str(first)}
        variables[f"{name}_PORT"] = f"{(spec.ports[0].protocol or 'TCP').lower()}://{host}:{first}"
        for port in spec.ports:
            if port.name:
                variables[f"{name}_SERVICE_PORT_{_variable(port.name)}"] = str(port.port)
            protocol = port.protocol or "TCP"
            prefix = f"{name}_PORT_{port.port}_{protocol}"
            variables |= {
                prefix: f"{protocol.lower()}://{host}:{port.port}",
                f"{prefix}_PROTO": protocol.lower(),
                f"{prefix}_PORT": str(port.port),
                f"{prefix}_ADDR": host,
            }
    return variables


async def container_environment(
    pod: Pod, container: Container, address: str, services: Iterable[Service], sources: Sources
) -> dict[str, str]:
    """All variables of a container whose pod's processes bind `address`. Raises `ConfigError`, ApiError.

    The address that the downward API tells a pod is the one that it can bind, and so is "0.0.0.0": without a
    network namespace of its own, "all my addresses" would be everybody's.
    """
    namespace = (pod.metadata.namespace if pod.metadata else None) or "default"
    links = pod.spec is None or pod.spec.enableServiceLinks is not False
    variables = service_variables(services, namespace) if links else {}
    for source in container.envFrom or ():
        if source.configMapRef:
            found = await sources.config_map(namespace, source.configMapRef.name)
            what, optional = f"configmap {source.configMapRef.name!r}", source.configMapRef.optional
        elif source.secretRef:
            found = await sources.secret(namespace, source.secretRef.name)
            what, optional = f"secret {source.secretRef.name!r}", source.secretRef.optional
        else:
            continue
        if found is None and not optional:
            raise ConfigError(f"{what} not found")
        variables |= {f"{source.prefix or ''}{key}": value for key, value in (found or {}).items()}
    for variable in container.env or ():
        value = await _value(variable, pod, container, address, namespace, sources, variables)
        if value is not None:
            variables[variable.name] = value
    return {name: address if value == "0.0.0.0" else value for name, value in variables.items()}  # noqa: S104  # nosec B104


async def _value(
    variable: EnvVar,
    pod: Pod,
    container: Container,
    address: str,
    namespace: str,
    sources: Sources,
    before: Mapping[str, str],
) -> str | None:
    source = variable.valueFrom
    if source is None:
        return expand(variable.value or "", before)
    if source.fieldRef:
        return _field(source.fieldRef, pod, address)
    if source.resourceFieldRef:
        name = source.resourceFieldRef.resource
        kind, _, resource = name.partition(".")
        amounts = getattr(container.resources, kind, None) or {}
        if resource not in amounts:
            raise ConfigError(f"container {container.name!r} has no {name}")
        return str(amounts[resource])
    return await _key(source, namespace, sources)


async def _key(source: EnvVarSource, namespace: str, sources: Sources) -> str | None:
    if reference := source.configMapKeyRef:
        found = await sources.config_map(namespace, reference.name)
        return _of(
            found, reference.key, optional=bool(reference.optional), what=f"configmap {reference.name!r}"
        )
    if hidden := source.secretKeyRef:
        found = await sources.secret(namespace, hidden.name)
        return _of(found, hidden.key, optional=bool(hidden.optional), what=f"secret {hidden.name!r}")
    raise ConfigError("a variable has neither a value nor a source that is known here")


def _of(found: Mapping[str, str] | None, key: str, *, optional: bool, what: str) -> str | None:
    if found is not None and key in found:
        return found[key]
    if optional:
        return None
    raise ConfigError(f"{what} not found" if found is None else f"couldn't find key {key} in {what}")


def _field(field: ObjectFieldSelector, pod: Pod, address: str) -> str:
    meta, spec = pod.metadata, pod.spec
    if meta is None or spec is None:
        raise ConfigError("a pod without metadata or spec has no fields")
    values = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "spec.nodeName": spec.nodeName,
        "spec.serviceAccountName": spec.serviceAccountName,
        "status.podIP": address,
        "status.podIPs": address,
        "status.hostIP": "127.0.0.1",
    }
    if field.fieldPath in values:
        return str(values[field.fieldPath] or "")
    kind, _, key = field.fieldPath.rstrip("']").partition("['")
    texts = {"metadata.labels": meta.labels, "metadata.annotations": meta.annotations}
    if kind in texts:
        return str((texts[kind] or {}).get(key, ""))
    raise ConfigError(f"field {field.fieldPath} isn't supported")


def _variable(name: str) -> str:
    return name.upper().replace("-", "_").replace(".", "_")
