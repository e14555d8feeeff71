import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossad.conditions import jsonc
from crossad.conditions.faults import SuiteError
from crossad.conditions.suite import parse_suite


def read(text):
    return jsonc.read("f.json", text.encode() if isinstance(text, str) else text)


def test_comments_trailing_commas_and_a_bom_are_read():
    document = read('\ufeff// head\n{"a": [1, 2.5e1, /* two\nlines */ "x//y",], "b": {"c": null,},}\n// tail')
    assert document.faults == []
    assert document.value == {"a": [1, 25.0, "x//y"], "b": {"c": None}}


@pytest.mark.parametrize("strict", [True, False])
def test_every_value_knows_its_line_and_column(strict):
    text = '{\n  "list": [\n    10,\n    {"key": true}\n  ]\n}' + ("" if strict else " // tolerant")
    document = read(text)
    assert document.locate(("list", 0)) == (3, 5)
    assert document.locate(("list", 1, "key")) == (4, 13)
    assert document.locate(("list", 1, "key"), of_key=True) == (4, 6)


def test_a_missing_part_is_placed_at_what_is_around_it():
    assert read('{\n "a": {}}').locate(("a", "gone", 3)) == (2, 7)


def test_windows_line_ends_count_once():
    assert read('{\r\n"a":\r\n1}').locate(("a",)) == (3, 1)


def test_keys_given_twice_are_faults_naming_the_first():
    faults = read('{"a": 1,\n "b": {"c": 1, "c": 2},\n "a": 3}').faults
    assert [(fault.path, fault.line, fault.column) for fault in faults] == [("b.c", 2, 16), ("a", 3, 2)]
    assert "line 1" in faults[1].hint


@pytest.mark.parametrize(
    ("text", "line", "column", "word"),
    [
        ("", 1, 1, "missing"),
        ('{"a": }', 1, 7, "missing"),
        ('{\n"a" 1}', 2, 5, 'no ":"'),
        ('{"a": 1\n "b": 2}', 2, 2, "unexpected"),
        ("{'a': 1}", 1, 2, "unexpected"),
        ('{"a": True}', 1, 7, "not a JSON value"),
        ('{"a": NaN}', 1, 7, "not a JSON value"),
        ('{"a": 1e999}', 1, 7, "too large"),
        ('{"a": ' + "9" * 500 + "}", 1, 7, "too long"),
        ('{"a": "\\ud800"}', 1, 7, "surrogate"),
        ('{"a": "x', 1, 7, "bad text"),
        ('{"a": "\\q"}', 1, 8, "bad text"),
        ('{"a": [1, 2', 1, 12, "ends too early"),
        ("{} {}", 1, 4, "after the end"),
        ("/* open", 1, 1, "never closed"),
        ("[" * 500 + "]" * 500, 1, 66, "too deeply"),
        ("[" * 100_000, 1, 66, "too deeply"),
    ],
)
def test_what_is_no_json_is_one_placed_fault(text, line, column, word):
    (fault,) = read(text).faults
    assert (fault.line, fault.column) == (line, column)
    assert word in fault.message


@pytest.mark.parametrize("data", [b'{"a":\n "\xff"}', '{"a": 1}'.encode("utf-16")])
def test_bytes_that_are_not_utf8_are_a_fault(data):
    (fault,) = read(data).faults
    assert "UTF-8" in fault.message


def test_a_file_without_end_is_refused_unread(monkeypatch):
    monkeypatch.setattr(jsonc, "MAX_BYTES", 10)
    (fault,) = read('{"a": "0123456789"}').faults
    assert "too large" in fault.message


def test_digits_in_a_text_are_no_number():
    assert read(json.dumps({"a": "7" * 500})).value == {"a": "7" * 500}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_the_tolerant_parser_agrees_with_the_strict_one(value):
    text = json.dumps(value)
    assert read(text + " // tolerant").value == read(text).value == value


@given(st.binary(max_size=80) | st.text(alphabet='{}[]",:/*\\ \n0123456789truefalsn-+eE.u', max_size=80))
def test_any_bytes_end_in_a_value_or_a_fault(data):
    document = read(data)
    assert document.faults or document.value is not None or "null" in str(data)


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_as_a_suite_end_in_faults(data):
    with pytest.raises(SuiteError):
        parse_suite("f.json", data)


@given(st.dictionaries(st.sampled_from(["name", "config", "matrix", "resources", "description"]), json_values))
def test_any_condition_ends_in_conditions_or_faults(element):
    data = json.dumps({"experiment_conditions": [element]}).encode()
    with pytest.raises(SuiteError) as raised:
        parse_suite("f.json", data)
    assert raised.value.faults


config_keys = st.sampled_from(
    ["source_domain", "target_domains", "image_size", "batch_size", "scheduler", "optimizer", "encoder_name",
     "layers", "backbone", "severity_head_spatial_size", "severity_head_pooling_type", "validation",
     "patch_width_range", "seed"]
)  # fmt: skip


@given(
    st.sampled_from(["draem", "dinomaly", "patchcore", "draem_sevnet"]),
    st.dictionaries(config_keys, json_values | st.just("spatial_aware") | st.just([7, 9]), max_size=6),
)
def test_any_config_ends_in_a_condition_or_placed_faults(model, config):
    element = {"name": "x", "config": {**config, "model_type": model}}
    try:
        suite = parse_suite("f.json", json.dumps({"experiment_conditions": [element]}).encode())
    except SuiteError as error:
        assert all(fault.line and fault.path.startswith("experiment_conditions[0]") for fault in error.faults)
    else:
        assert len(suite.conditions) == 1
