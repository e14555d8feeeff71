import json

import pytest

from crossad.conditions.faults import SuiteError
from crossad.conditions.suite import parse_suite

CONFIG = {"model_type": "dinomaly", "source_domain": "domain_A", "remove_class_token": False}
LITERAL = "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY"


def faults(**element):
    document = {"experiment_conditions": [{"name": "x", "config": CONFIG, **element}]}
    with pytest.raises(SuiteError) as raised:
        parse_suite("f.json", json.dumps(document).encode())
    return raised.value


@pytest.mark.parametrize(
    "element",
    [
        {"config": {**CONFIG, "aws_secret_access_key": "hunter2!"}},
        {"config": {**CONFIG, "password": "hunter2!"}},
        {"description": f"key {LITERAL} hunter2!"},
        {"description": "AKIA" + "ABCDEFGHIJKLMNOP hunter2!"},
        {"description": "s3 at https://user:hunter2!@host/bucket"},
        {"config": {**CONFIG, "source_domain": "ghp_" + "a1B2" * 9 + "hunter2!"}},
        {"resources": {"node_selector": {"api_key": "hunter2!"}}},
    ],
)
def test_a_literal_secret_is_refused_and_never_shown(element):
    error = faults(**element)
    assert any("secret" in fault.message for fault in error.faults)
    assert all("hunter2" not in str(fault) for fault in error.faults)
    assert LITERAL not in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "remove_class_token is off",
        "0123456789abcdef0123456789abcdef01234567",
        "a" * 40,
        "https://host/path?x=1",
        "D" * 64,
    ],
)
def test_hashes_and_prose_are_no_secrets(text):
    document = {"experiment_conditions": [{"name": "x", "description": text, "config": CONFIG}]}
    assert parse_suite("f.json", json.dumps(document).encode()).conditions[0].description == text
