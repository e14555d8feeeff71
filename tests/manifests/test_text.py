from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from crossad.manifests.text import Writer, to_yaml

TEXTS = st.text(st.characters(exclude_categories=("Cs",)))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4))
def test_what_is_written_is_what_is_read(value):
    assert yaml.safe_load(to_yaml(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "yes",
            "No",
            "ON",
            "null",
            "~",
            "",
            "1",
            "1e3",
            "0x1f",
            "12:30",
            "2026-11-25",
            ".5",
            "-",
            "- a",
            "a: b",
            "a #b",
        ),
        *(
            "{a}",
            "[a]",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "a\nb",
            " a",
            "a ",
            "\u2028",
            "\x85",
            "\ufeff",
            "한국어",
            "=",
            "<<",
        ),
    ],
)
def test_a_text_stays_a_text(text):
    assert yaml.safe_load(to_yaml({"a": text, "b": [text], text: {"c": text}})) == {
        "a": text,
        "b": [text],
        text: {"c": text},
    }


def test_the_order_of_keys_changes_nothing():
    one = {"spec": {"b": 1, "a": [{"z": 1, "name": "x"}]}, "kind": "Job", "apiVersion": "v1"}
    other = {"apiVersion": "v1", "kind": "Job", "spec": {"a": [{"name": "x", "z": 1}], "b": 1}}
    assert to_yaml(one) == to_yaml(other)
    assert to_yaml(one) == "apiVersion: v1\nkind: Job\nspec:\n  a:\n  - name: x\n    z: 1\n  b: 1\n"


def test_what_yaml_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="JSON compliant"):
        to_yaml({"a": float("nan")})


@given(st.lists(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4), min_size=1, max_size=3))
def test_objects_that_share_parts_are_written_as_if_they_did_not(parts):
    writer = Writer()
    for found in (
        {"a": parts, "b": parts[0]},
        {"a": parts, "c": {"d": parts[0]}},
        {"b": [parts, parts[0]], "a": parts},
    ):
        assert writer.text(found) == to_yaml(found)


def test_a_part_is_known_by_what_it_is_and_not_by_what_it_equals():
    writer = Writer()
    assert writer.text({"a": {"b": 1}}) == "a:\n  b: 1\n"
    assert writer.text({"a": {"b": True}}) == "a:\n  b: true\n"
    assert writer.text({"a": {"b": 1.0}}) == "a:\n  b: 1.0\n"
