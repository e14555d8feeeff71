"""The policies of docs/store.md as texts: whole, known, and only below their prefix."""

from __future__ import annotations

import json
import re

import pytest
from policies import PAGE, listed, policies

from crossad.store.answers import ACTIONS

ROLES = (
    "Trainer", "Submitter and controller", "Reader", "Aggregation", "Janitor", "Data packer", "Data reader",
    "Asset keeper", "Asset reader", "Probe",
)  # fmt: skip
ON_BUCKETS = {"s3:ListBucket", "s3:ListBucketMultipartUploads"}


def test_every_role_has_one() -> None:
    assert tuple(policies()) == ROLES


@pytest.mark.parametrize("role", ROLES)
def test_a_policy_names_known_actions_on_what_they_are_for_and_below_its_prefix_only(role: str) -> None:
    policy = policies()[role]
    assert set(policy) == {"Version", "Statement"}
    assert policy["Version"] == "2012-10-17"
    base = "DATA" if role.startswith("Data") else "PREFIX"
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        assert re.fullmatch(r"[A-Za-z]+", statement["Sid"])
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        actions, resources = set(listed(statement["Action"])), listed(statement["Resource"])
        assert actions <= {*ACTIONS.values()}
        assert actions <= ON_BUCKETS or not actions & ON_BUCKETS
        if actions & ON_BUCKETS:
            assert resources == ["arn:aws:s3:::BUCKET"]
        else:
            assert all(resource.startswith(f"arn:aws:s3:::BUCKET/{base}/") for resource in resources)
        if "s3:ListBucket" in actions:
            assert statement["Condition"] == {"StringLike": {"s3:prefix": f"{base}/*"}}


def test_together_they_allow_all_that_is_ever_asked_for() -> None:
    allowed = {
        action
        for policy in policies().values()
        for statement in policy["Statement"]
        for action in listed(statement["Action"])
    }
    assert allowed == {*ACTIONS.values()}


def test_the_lifecycle_rule_gives_parts_back_and_expires_nothing() -> None:
    (text,) = re.findall(r'```json\n(\{"Rules".*?)```', PAGE, re.DOTALL)
    (rule,) = json.loads(text)["Rules"]
    assert set(rule) == {"ID", "Status", "Filter", "AbortIncompleteMultipartUpload"}
    assert rule["Status"] == "Enabled"
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


def test_a_server_takes_the_lifecycle_rule(moto) -> None:  # type: ignore[no-untyped-def]
    from s3servers import BUCKET, owner_client

    (text,) = re.findall(r'```json\n(\{"Rules".*?)```', PAGE, re.DOTALL)
    client = owner_client(moto.endpoint)
    client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=json.loads(text))
    (rule,) = client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    client.delete_bucket_lifecycle(Bucket=BUCKET)
    client.close()
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
