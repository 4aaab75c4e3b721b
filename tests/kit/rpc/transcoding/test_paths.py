"""Path templates of google.api.http become routes whose parameters fill fields."""

import pytest

from workbook_lib.kit.rpc.transcoding.paths import parse_path


@pytest.mark.parametrize(
    ("template", "route"),
    [
        ("/v1/orders", "/v1/orders"),
        ("/v1/orders/{order_id}", "/v1/orders/{order_id}"),
        ("/v1/orders/{order_id}:cancel", "/v1/orders/{order_id}:cancel"),
        ("/v1/orders:search", "/v1/orders:search"),
        ("/v1/{order.id}/lines/{line}", "/v1/{order_id}/lines/{line}"),
        ("/v1/{name=shelves/*}", "/v1/shelves/{name_1}"),
        ("/v1/{name=shelves/*/books/*}", "/v1/shelves/{name_1}/books/{name_3}"),
        ("/v1/{name=files/**}", "/v1/files/{name_1:path}"),
    ],
)
def test_a_template_becomes_the_route_that_matches_the_same_paths(template, route):
    assert parse_path(template).route == route


def test_a_variable_of_several_segments_gets_them_all():
    (name,) = parse_path("/v1/{name=shelves/*/books/**}").variables
    assert name.field == "name"
    assert name.value({"name_1": "7", "name_3": "a/b"}) == "shelves/7/books/a/b"


@pytest.mark.parametrize(
    "template",
    ["v1/orders", "/v1/{order_id", "/v1/{1a}", "/v1//orders", "/v1/or ders", "/v1/*", "/v1/{a={b}}"],
)
def test_a_template_that_breaks_the_grammar_is_refused(template):
    with pytest.raises(ValueError, match="path template"):
        parse_path(template)
