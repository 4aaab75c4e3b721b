"""A schema made of OpenAPI documents, by a small one; tests/deploy checks that of a real control plane."""

import pytest

from workbook_lib.lab.kubernetes.schemas import Kind, kinds_of, problems, schema_of

PREFIX = "#/components/schemas/"
DOCUMENT = {
    "info": {"version": "1.0"},
    "components": {
        "schemas": {
            "Tree": {
                "description": "explains",
                "type": "object",
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"type": "object"},
                    "root": {"allOf": [{"$ref": f"{PREFIX}Node"}], "default": {}, "description": "grows"},
                },
                "x-kubernetes-group-version-kind": [{"group": "wood", "kind": "Tree", "version": "v1"}],
            },
            "Node": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
                    "nodes": {"type": "array", "items": {"$ref": f"{PREFIX}Node"}},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
            "Unrelated": {"type": "object"},
        }
    },
}
TREE = Kind("wood/v1", "Tree")
SCHEMA = schema_of({"wood/v1": DOCUMENT}, [TREE])


def _tree(root):
    return {"apiVersion": "wood/v1", "kind": "Tree", "metadata": {}, "root": root}


def test_only_what_the_kinds_refer_to_is_kept_even_to_themselves_and_nothing_that_explains():
    assert SCHEMA["$defs"].keys() == {"Tree", "Node"}
    assert SCHEMA["title"] == "Kubernetes 1.0"
    assert "explains" not in str(SCHEMA)
    assert "grows" not in str(SCHEMA)


def test_an_object_is_checked_as_deep_as_it_goes():
    assert problems(_tree({"size": 1, "nodes": [{"size": "2", "labels": {"any": "x"}}]}), SCHEMA) == []
    wrong = {"size": 1, "nodes": [{"size": 2, "nodes": [{"sise": 3}]}]}
    assert [each.partition(":")[0] for each in problems(_tree(wrong), SCHEMA)] == [
        "$.root.nodes[0].nodes[0]",  # has no size
        "$.root.nodes[0].nodes[0]",  # and one field that nobody knows
    ]


def test_an_object_without_a_kind_is_no_object():
    assert problems({}, SCHEMA) == [
        f"$: '{each}' is a required property" for each in _tree({}) if each != "root"
    ]


def test_a_kind_that_the_api_does_not_have_is_an_error():
    with pytest.raises(KeyError, match=r"no Bush in wood/v1"):
        schema_of({"wood/v1": DOCUMENT}, [Kind("wood/v1", "Bush")])


def test_kinds_are_told_once_each():
    assert kinds_of([_tree({}), _tree({})]) == [TREE]
