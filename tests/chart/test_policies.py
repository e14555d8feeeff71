"""What pods may reach under the chart's network policies, told from the rendered objects: selectors against labels."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from crossad.conditions.suite import load_suite
from crossad.manifests.aggregation import report_job
from crossad.manifests.control import control_job
from crossad.manifests.job import trainer_jobs
from crossad.manifests.planning import make_plan
from crossad.manifests.settings import Settings

from .conftest import SMOKE, Objects

Object = dict[str, Any]
DNS, STORE, SERVICE, SERVER = ("10.200.7.7", 53), ("10.1.2.9", 9000), ("172.30.0.1", 443), ("10.0.0.5", 6443)
ELSEWHERE = [("10.1.2.9", 443), ("10.1.3.9", 9000), ("172.30.0.2", 443), ("10.0.0.5", 443), ("93.184.216.34", 443)]
VALUES = {
    "images": {"trainer": f"reg.example/t@sha256:{'0' * 64}", "controller": f"reg.example/c@sha256:{'1' * 64}"},
    "store": {"uri": "s3://experiments/crossad"},
    "data": {"uri": "s3://images/hdmap", "domains": ["domain_A", "domain_B", "domain_C", "domain_D"]},
    "labels": {"team": "acoustics"},
    "networkPolicy": {
        "enabled": True,
        "store": [{"cidr": "10.1.2.0/24", "port": 9000}],
        "apiServer": [{"cidr": "172.30.0.1/32", "port": 443}, {"cidr": "10.0.0.0/28", "port": 6443}],
    },
}
Labels = dict[str, str]


def selects(selector: Object, labels: Labels) -> bool:
    """As the API server does: all requirements of a label selector."""
    tests: dict[str, Callable[[str | None, list[str]], bool]] = {
        "In": lambda value, values: value in values,
        "NotIn": lambda value, values: value not in values,
        "Exists": lambda value, _: value is not None,
        "DoesNotExist": lambda value, _: value is None,
    }
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        tests[one["operator"]](labels.get(one["key"]), one.get("values", []))
        for one in selector.get("matchExpressions", [])
    )


def chosen(policies: Objects, labels: Labels, direction: str) -> Objects:
    """The policies that are about a pod and a direction."""
    found = [policy["spec"] for policy in policies if selects(policy["spec"]["podSelector"], labels)]
    return [spec for spec in found if direction in spec["policyTypes"]]


def leads_to(rule: Object, address: str, port: int, protocol: str) -> bool:
    peers = [ipaddress.ip_network(peer["ipBlock"]["cidr"]) for peer in rule.get("to", [])]
    ports = [(one["port"], one["protocol"]) for one in rule["ports"]]
    here = not peers or any(ipaddress.ip_address(address) in peer for peer in peers)
    return here and (port, protocol) in ports


def reaches(policies: Objects, labels: Labels, place: tuple[str, int], protocol: str = "TCP") -> bool:
    """Whether a pod may open a connection: what no policy is about may everything."""
    about = chosen(policies, labels, "Egress")
    return not about or any(leads_to(rule, *place, protocol) for spec in about for rule in spec.get("egress", []))


def reached(policies: Objects, labels: Labels) -> bool:
    """Whether anything may open a connection to a pod."""
    about = chosen(policies, labels, "Ingress")
    return not about or any(spec.get("ingress") for spec in about)


@pytest.fixture
def release(template: Callable[..., Objects], tmp_path: Path) -> Callable[..., Objects]:
    """The objects of a release whose policies are on."""

    def make(*more: str) -> Objects:
        path = tmp_path / "values.yaml"
        path.write_text(yaml.safe_dump(VALUES))
        return template(path, *more)

    return make


def policies_of(objects: Objects) -> Objects:
    return [found for found in objects if found["kind"] == "NetworkPolicy"]


def pods(objects: Objects, run: str = "night1") -> Iterator[tuple[str, Labels]]:
    """(kind, labels) of every pod of a release: of the chart's own, and of those that its controller makes."""
    (told,) = [found["data"]["settings.json"] for found in objects if "settings.json" in (found.get("data") or {})]
    settings = Settings.model_validate_json(told)
    plan = make_plan("smoke", load_suite(SMOKE).conditions, settings, run)
    (controller,) = [found for found in objects if found["kind"] == "Job"]
    made = [controller, control_job(run, settings), report_job(run, settings), *trainer_jobs(plan, settings)]
    for job in made:
        labels = job["spec"]["template"]["metadata"]["labels"]
        yield labels["app.kubernetes.io/component"], labels


def test_each_pod_reaches_what_it_needs_and_nothing_else(release: Callable[..., Objects]):
    objects = release()
    policies = policies_of(objects)
    seen = set()
    for kind, labels in pods(objects):
        seen.add(kind)
        asks = kind != "trainer"
        for protocol in ("UDP", "TCP"):
            assert reaches(policies, labels, DNS, protocol), kind
        assert reaches(policies, labels, STORE), kind
        assert [reaches(policies, labels, place) for place in (SERVICE, SERVER)] == [asks, asks], kind
        for place in ELSEWHERE:
            assert not reaches(policies, labels, place), (kind, place)
        assert not reaches(policies, labels, STORE, "UDP"), kind
        assert not reached(policies, labels), kind
    assert seen == {"controller", "report", "trainer"}


def test_policies_are_about_no_other_pod(release: Callable[..., Objects]):
    objects = release()
    policies = policies_of(objects)
    (smoke,) = [found["metadata"]["labels"] for found in objects if found["kind"] == "Pod"]
    others = [labels for _, labels in pods(release("--set", "run=another"), "another")]
    for labels in [smoke, {"app": "web"}, {}, *others]:
        assert reaches(policies, labels, ELSEWHERE[0]), labels
        assert reached(policies, labels), labels


def test_without_them_nothing_is_restricted(release: Callable[..., Objects]):
    assert policies_of(release("--set", "networkPolicy.enabled=false")) == []


def test_the_release_s_own_settings_hold_no_policy(release: Callable[..., Objects]):
    """They are the chart's, not the controller's: with others it is the same controller."""
    names = {
        json.dumps([found["metadata"]["name"] for found in release(*words) if found["kind"] == "Job"])
        for words in ([], ["--set", "networkPolicy.enabled=false"], ["--set", "networkPolicy.store[0].port=9001"])
    }
    assert len(names) == 1
