from __future__ import annotations

import copy

import pytest

from crossad.errors import UsageError
from crossad.manifests.overlay import APPENDED, NAMED, merge

BASE = {
    "spec": {
        "hostNetwork": False,
        "containers": [
            {"name": "trainer", "args": ["a", "b"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
        ],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}],
        "tolerations": [{"key": "gpu"}],
    }
}


def test_nothing_merged_is_the_same():
    assert merge(BASE, {}) == BASE


@pytest.mark.parametrize("name", sorted(NAMED))
def test_items_of_a_named_list_are_found_by_their_key(name):
    key = NAMED[name]
    base = {name: [{key: "x", "a": 1, "b": 1}, {key: "y", "a": 1}]}
    merged = merge(base, {name: [{key: "y", "a": 2}, {key: "z", "a": 3}, {key: "x", "b": None}]})
    assert merged == {name: [{key: "x", "a": 1}, {key: "y", "a": 2}, {key: "z", "a": 3}]}


def test_lists_without_names_are_replaced():
    merged = merge(BASE, {"spec": {"containers": [{"name": "trainer", "args": ["c"]}]}})
    assert merged["spec"]["containers"][0]["args"] == ["c"]
    assert merged["spec"]["containers"][0]["env"] == BASE["spec"]["containers"][0]["env"]


@pytest.mark.parametrize("name", APPENDED)
def test_some_lists_grow(name):
    merged = merge({name: [{"key": "gpu"}]}, {name: [{"key": "spot"}, {"key": "gpu"}]})
    assert merged[name] == [{"key": "gpu"}, {"key": "spot"}]


def test_a_null_takes_away_and_so_does_a_delete():
    overlay = {"spec": {"hostNetwork": None, "volumes": [{"name": "tmp", "$patch": "delete"}]}}
    merged = merge(BASE, overlay)
    assert "hostNetwork" not in merged["spec"]
    assert merged["spec"]["volumes"] == []


def test_neither_side_is_changed():
    base, overlay = (
        copy.deepcopy(BASE),
        {"spec": {"containers": [{"name": "trainer", "env": [{"name": "A", "value": "9"}]}]}},
    )
    kept = copy.deepcopy(overlay)
    merge(base, overlay)
    assert (base, overlay) == (BASE, kept)


@pytest.mark.parametrize(
    ("overlay", "told"),
    [
        ({"spec": {"containers": [{"image": "x"}]}}, r"podOverlay.spec.containers\[0\]: no name"),
        ({"spec": {"$patch": "replace"}}, r"podOverlay.spec.\$patch: got 'replace'"),
        ({"spec": {"$retainKeys": ["a"]}}, r"podOverlay.spec.\$retainKeys"),
    ],
)
def test_what_this_merge_does_not_do_is_told_with_its_place(overlay, told):
    with pytest.raises(UsageError, match=told):
        merge(BASE, overlay)
