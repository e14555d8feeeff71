import json

import pytest

from crossad.conditions.select import select
from crossad.conditions.suite import parse_suite
from crossad.errors import UsageError

NAMES = ["zero", "one", "two,three", "3-4", "four", "five", "7"]
CONDITIONS = parse_suite(
    "f.json",
    json.dumps(
        {
            "experiment_conditions": [
                {"name": name, "config": {"model_type": "draem", "source_domain": "A"}} for name in NAMES
            ]
        }
    ).encode(),
).conditions


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("all", [0, 1, 2, 3, 4, 5, 6]),
        ("2", [2]),
        ("0,5,1", [0, 1, 5]),
        ("3-5", [3, 4, 5]),
        ("four", [4]),
        ("four, 0-1 ,five,0", [0, 1, 4, 5]),
        ("two,three", [2]),
        ("3-4", [3]),
        ("7", [6]),
        ("1 - 2", [1, 2]),
    ],
)
def test_ids_ranges_names_and_mixtures(spec, expected):
    assert [condition.index for condition in select(CONDITIONS, spec)] == expected


@pytest.mark.parametrize("spec", ["", "9", "5-9", "1,,2", "-1", "fourr", "1-", "١", "9" * 30])
def test_what_is_not_there_is_named_with_what_is(spec):
    with pytest.raises(UsageError) as raised:
        select(CONDITIONS, spec)
    assert "no such condition" in raised.value.message
    assert raised.value.hint == "did you mean four?" if spec == "fourr" else "0 to 6" in raised.value.hint


def test_a_backward_range_is_turned():
    with pytest.raises(UsageError) as raised:
        select(CONDITIONS, "5-1")
    assert raised.value.hint == "write 1-5"
