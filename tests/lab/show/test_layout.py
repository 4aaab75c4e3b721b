"""A service map's layout: callers left of callees, nothing on top of anything, few crossings."""

import itertools
import random

from workbook_lib.lab.show.layout import arrange

SHOP = [
    ("gateway", "users"),
    ("gateway", "inventory"),
    ("users", "redis"),
    ("users", "users.db"),
    ("users", "orders"),
    ("orders", "inventory"),
    ("orders", "orders.db"),
    ("orders", "events"),
    ("events", "audit"),
    ("audit", "audit.db"),
    ("inventory", "inventory.db"),
]


def apart(layout) -> bool:
    """Whether nodes of one layer keep a node's height between them, and half of one from arrows that pass."""
    nodes = list(layout.nodes.values())
    passing = [point for route in layout.routes.values() for point in route]
    nodes_apart = all(a[0] != b[0] or abs(a[1] - b[1]) > 0.999 for a, b in itertools.combinations(nodes, 2))
    return nodes_apart and all(n[0] != p[0] or abs(n[1] - p[1]) > 0.7 for n in nodes for p in passing)


def test_every_caller_is_left_of_its_callee():
    layout = arrange(SHOP)
    assert all(layout.nodes[caller][0] < layout.nodes[callee][0] for caller, callee in SHOP)
    assert layout.layers == 6
    assert layout.nodes["gateway"][0] == 0


def test_nothing_overlaps():
    assert apart(arrange(SHOP))


def test_random_graphs_of_ten_nodes_never_overlap():
    for seed in range(60):
        dice = random.Random(seed)
        pairs = [tuple(dice.sample("abcdefghij", 2)) for _ in range(16)]
        layout = arrange(pairs)
        assert apart(layout), pairs
        assert set(layout.routes) == set(pairs)


def test_an_arrow_over_several_layers_passes_a_place_of_its_own_in_each():
    route = arrange(SHOP).routes["gateway", "inventory"]
    assert [layer for layer, _ in route] == [1, 2]


def test_a_cycle_is_laid_out_and_its_way_back_runs_backwards():
    layout = arrange([("a", "b"), ("b", "c"), ("c", "a")])
    assert [layout.nodes[name][0] for name in "abc"] == [0, 1, 2]
    assert [layer for layer, _ in layout.routes["c", "a"]] == [1]


def test_crossings_that_can_be_avoided_are():
    layout = arrange([("a", "x"), ("b", "y"), ("c", "z"), ("a", "z"), ("b", "x")])
    height = {name: y for name, (_, y) in layout.nodes.items()}
    pairs = list(layout.routes)
    crossing = [
        (one, other)
        for one, other in itertools.combinations(pairs, 2)
        if (height[one[0]] - height[other[0]]) * (height[one[1]] - height[other[1]]) < 0
    ]
    assert crossing == []


def test_a_chain_is_straight():
    heights = {y for _, y in arrange([("a", "b"), ("b", "c"), ("c", "d")]).nodes.values()}
    assert len(heights) == 1


def test_a_call_to_oneself_takes_no_place():
    layout = arrange([("a", "a"), ("a", "b")])
    assert set(layout.routes) == {("a", "b")}


def test_no_calls_make_an_empty_layout():
    assert arrange([]).nodes == {}
