"""The manifests are what Kubernetes takes: by its schemas, kept here, and by a control plane's own word."""

import asyncio
import copy
import json
import shutil

import pytest
import yaml
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, ServiceAccount

from tests.deploy.page import blocks
from tests.deploy.rendered import EVERY_OVERLAY, FOLDER, objects
from tests.structure import rules
from workbook_lib.lab import evidence
from workbook_lib.lab.command import CommandFailed
from workbook_lib.lab.kubernetes.client import client, kubectl
from workbook_lib.lab.kubernetes.schemas import kinds_of, problems, published, schema_file
from workbook_lib.lab.provision.catalogue import CATALOGUE

KEPT = json.loads(schema_file(rules.ROOT).read_text())
NAMESPACE = "strict"
POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"
each_overlay = pytest.mark.parametrize("overlay", EVERY_OVERLAY)


@each_overlay
def test_every_object_is_valid_by_the_schemas(overlay):
    found = {
        (each["kind"], each["metadata"]["name"]): wrong
        for each in objects(overlay)
        if (wrong := problems(each, KEPT))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("kind", "path", "value", "place", "words"),
    [
        ("Deployment", "spec.replica", 3, "$.spec", "'replica' was unexpected"),
        ("Deployment", "spec.replicas", "3", "$.spec.replicas", "'3' is not of type 'integer'"),
        ("Deployment", "spec.selector", None, "$.spec", "'selector' is a required property"),
        ("Deployment", "apiVersion", "extensions/v1beta1", "$.apiVersion", "'apps/v1' was expected"),
        ("Deployment", "metadata.labels", {"v": 1.2}, "$.metadata.labels.v", "1.2 is not of type 'string'"),
        (
            "Deployment",
            f"{CONTAINER}.redinessProbe",
            {},
            "$.spec.template.spec.containers[0]",
            "'redinessProbe' was unexpected",
        ),
        (
            "Deployment",
            f"{CONTAINER}.imagePullPolicy",
            "Sometimes",
            "$.spec.template.spec.containers[0].imagePullPolicy",
            "'Sometimes' is not one of ['Always', 'IfNotPresent', 'Never']",
        ),
        (
            "Deployment",
            f"{CONTAINER}.startupProbe.httpGet.port",
            [8000],
            "$.spec.template.spec.containers[0].startupProbe.httpGet.port",
            "[8000] is not",
        ),
        ("Service", "spec.type", "Nodeport", "$.spec.type", "'Nodeport' is not one of"),
        ("HorizontalPodAutoscaler", "spec.maxReplicas", None, "$.spec", "'maxReplicas' is a required"),
        (
            "Ingress",
            "spec.rules.0.http.paths.0.pathType",
            None,
            "$.spec.rules[0]",
            "'pathType' is a required",
        ),
        ("ConfigMap", "data.TRACE_RATIO", 0.1, "$.data.TRACE_RATIO", "0.1 is not of type 'string'"),
        ("Namespace", "kind", "Namespaces", "$.kind", "'Namespaces' is not one of"),
    ],
)
def test_a_planted_mistake_is_found_at_its_place(kind, path, value, place, words):
    (problem,) = problems(_planted(kind, path, value), KEPT)
    assert problem.startswith(place)
    assert words in problem


def test_the_schemas_kept_are_of_the_control_plane_that_is_provisioned():
    minor, _, _ = CATALOGUE["kubernetes"].version.rpartition(".")
    assert KEPT["title"] == f"Kubernetes {minor}"


async def test_the_schemas_kept_are_the_control_planes_own(cluster):
    """Where they aren't: `python -m workbook_lib.lab.kubernetes.schemas`.

    Skipped for a control plane of another version only: one that isn't the project's.
    """
    kinds = kinds_of(each for overlay in EVERY_OVERLAY for each in objects(overlay))
    live = await published(cluster, kinds)
    if live["title"] != KEPT["title"]:
        pytest.skip(f"the control plane is {live['title']}, the schemas kept are {KEPT['title']}")
    assert live == KEPT


@pytest.fixture(scope="module")
def strict(cluster):
    """A control plane with a namespace that is as strict as those of the overlays."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}

    async def begin() -> None:
        async with client(cluster, namespace=NAMESPACE) as api:
            await api.create(Namespace(metadata=ObjectMeta(name=NAMESPACE, labels=labels)))
            # Without this one, which a controller makes, no pod is admitted.
            await evidence.eventually(lambda: api.get(ServiceAccount, "default"))

    async def end() -> None:
        async with client(cluster) as api:
            await api.delete(Namespace, NAMESPACE)

    asyncio.run(begin())
    yield cluster
    asyncio.run(end())


@each_overlay
async def test_the_control_plane_takes_every_object_and_admits_every_pod(strict, overlay, tmp_path):
    told = objects(overlay)
    (namespace,) = (each for each in told if each["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pods = [_pod(each) for each in told if each["kind"] == "Deployment"]
    tried = await _dry_run(strict, tmp_path, [*told, *pods])
    assert tried.text.count("(server dry run)") == len(told) + len(pods)
    assert "Warning" not in tried.text


@pytest.mark.parametrize(
    ("kind", "path", "value", "words"),
    [
        (
            "Deployment",
            f"{CONTAINER}.redinessProbe",
            {},
            'unknown field "spec.template.spec.containers[0].red',
        ),
        ("Deployment", f"{CONTAINER}.resources.requests.memory", "1 GB", "quantities must match"),
        (
            "Deployment",
            "spec.selector.matchLabels",
            {"a": "b"},
            "`selector` does not match template `labels`",
        ),
        ("Deployment", f"{CONTAINER}.volumeMounts.0.name", "stat", 'Not found: "stat"'),
        ("Pod", "spec.securityContext.runAsNonRoot", False, "runAsNonRoot != true"),
    ],
)
async def test_the_control_plane_finds_what_no_schema_says(strict, kind, path, value, words, tmp_path):
    with pytest.raises(CommandFailed) as refused:
        await _dry_run(strict, tmp_path, [_planted(kind, path, value)])
    assert words in str(refused.value)


async def test_an_overlay_of_ones_own_names_a_registry_and_servers_as_the_page_says(strict, tmp_path):
    """Also that its commands, less the last, work in that order."""
    shutil.copytree(FOLDER, tmp_path / "deploy" / "kubernetes")
    ours = tmp_path / "deploy" / "kubernetes" / "overlays" / "ours"
    ours.mkdir()
    (ours / "kustomization.yaml").write_text(blocks("yaml")[0])
    for file in (*ours.iterdir(), *(ours.parent / "prod").iterdir()):
        # The cluster may be somebody's, with a namespace workbook-prod of theirs.
        file.write_text(file.read_text().replace("workbook-prod", f"{NAMESPACE}-prod"))
    told = list(yaml.safe_load_all((await kubectl(strict, "kustomize", ours)).text))
    assert [problems(each, KEPT) for each in told] == [[]] * len(told)
    (settings,) = (each["data"] for each in told if each["kind"] == "ConfigMap")
    assert settings["KAFKA_BOOTSTRAP_SERVERS"].startswith("kafka-1.example.com")
    assert settings["SERVICE_ENVIRONMENT"] == "prod"
    images = {_pod(each)["spec"]["containers"][0]["image"] for each in told if each["kind"] == "Deployment"}
    assert images == {"registry.example.com/team/microservices-workbook:0.1.0"}
    commands = [
        line.split()[1:] for line in "".join(blocks("sh")).splitlines() if line.startswith("kubectl ")
    ]
    assert [command[0] for command in commands] == ["apply"] * 3
    try:
        for command in commands[:-1]:
            await kubectl(strict, *(each.replace("deploy/", f"{tmp_path}/deploy/") for each in command))
    finally:
        await kubectl(
            strict, "delete", "namespace", f"{NAMESPACE}-prod", "--ignore-not-found", "--wait=false"
        )


async def _dry_run(lab, folder, documents):
    """Everything of creating them but the creation, in the test's namespace."""
    file = folder / "tried.yaml"
    file.write_text(yaml.safe_dump_all(_moved(each) for each in documents))
    return await kubectl(lab, "create", "--dry-run=server", "--validate=strict", "-f", file)


def _moved(thing):
    if thing["kind"] == "Namespace":
        return thing | {"metadata": thing["metadata"] | {"name": f"{NAMESPACE}-er"}}
    return thing | {"metadata": thing["metadata"] | {"namespace": NAMESPACE}}


def _pod(deployment):
    """A pod as the Deployment's controllers would make it."""
    template = deployment["spec"]["template"]
    name = {"name": deployment["metadata"]["name"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": name, "spec": template["spec"]}


def _planted(kind, path, value):
    """The first object of a kind in the overlay dev, with another value at a path, or with None nothing."""
    first = next(each for each in objects("dev") if each["kind"] in {kind, kind.replace("Pod", "Deployment")})
    thing = copy.deepcopy(_pod(first) if kind == "Pod" else first)
    *way, last = path.split(".")
    place = thing
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return thing
