"""`crossad doctor` on a real control plane: a healthy set-up is all ok, and each fault has its sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faultproxy
import pytest
import yaml
from click.testing import CliRunner
from clusterjobs import ending, job
from plane import GPU, POD_SECURITY, Plane
from s3servers import SECRET, Place

from crossad.cli.doctor import command
from crossad.kube.resources import CLAIMS, CONFIG_MAPS, JOBS, PODS, QUOTAS, SECRETS, SERVICE_ACCOUNTS
from crossad.manifests.access import RULES

pytestmark = pytest.mark.usefixtures("alone")
DIGEST = "sha256:" + "0123456789abcdef" * 4
HIDDEN = "nobody-may-see-this"
Found = list[dict[str, str]]
Doctor = Callable[..., Found]


@pytest.fixture
def volume(plane: Plane, namespace: str) -> Iterator[None]:
    """A bound claim with the images, as an operator makes one."""
    name, size = f"images-{namespace}", {"storage": "1Gi"}
    spec = {
        "capacity": size,
        "accessModes": ["ReadOnlyMany"],
        "hostPath": {"path": "/images"},
        "claimRef": {"namespace": namespace, "name": "hdmap"},
        "storageClassName": "",
    }
    plane.request("POST", "/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": spec})
    claim = {"accessModes": ["ReadOnlyMany"], "resources": {"requests": size}, "storageClassName": ""}
    plane.request("POST", CLAIMS.path(namespace), {"metadata": {"name": "hdmap"}, "spec": claim})
    plane.until(CLAIMS.path(namespace, "hdmap"), lambda found: found["status"].get("phase") == "Bound")
    yield
    plane.request("DELETE", f"/api/v1/persistentvolumes/{name}")


@pytest.fixture
def lab(plane: Plane, namespace: str, volume: None) -> str:
    """The namespace with all that the settings below name."""
    keys = {"metadata": {"name": "s3-keys"}, "stringData": {"credentials": HIDDEN}}
    plane.request("POST", SECRETS.path(namespace), keys)
    plane.request("POST", SERVICE_ACCOUNTS.path(namespace), {"metadata": {"name": "crossad-report"}})
    return namespace


@pytest.fixture
def doctor(plane: Plane, lab: str, gpu_node: str, versitygw: Place, tmp_path: Path) -> Doctor:
    """What the doctor finds in the cluster; `changes` are settings, by path."""

    def ask(
        changes: dict[str, Any] | None = None, *words: str, token: str | None = None, server: str = "", code: int = 0
    ) -> Found:
        settings: dict[str, Any] = {
            "namespace": lab,
            "images": {"trainer": f"reg.example/t@{DIGEST}", "controller": f"reg.example/c@{DIGEST}"},
            "store": {"uri": versitygw.uri, "options": {"endpoint": versitygw.endpoint}, "secret": "s3-keys"},
            "data": {"claim": "hdmap", "domains": ["domain_A", "domain_B", "domain_C", "domain_D"]},
            "placement": {"nodeSelector": {"gpu": "fake"}},
        }
        for path, value in (changes or {}).items():
            *above, last = path.split(".")
            at = settings
            for step in above:
                at = at.setdefault(step, {})
            at[last] = value
        file = tmp_path / "cluster.yaml"
        file.write_text(yaml.safe_dump(settings))
        asked = ["--settings", str(file), "--kubeconfig", str(plane.kubeconfig(token, lab, server)), "--json", *words]
        result = CliRunner().invoke(command, asked)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == code, result.output
        assert HIDDEN not in result.output
        assert SECRET not in result.output
        assert "this check itself failed" not in result.output
        found: Found = json.loads(result.stdout)["findings"]
        assert all(one["next_step"] for one in found if one["verdict"] == "wrong"), found
        return found

    return ask


def of(found: Found, check: str, *verdicts: str) -> list[str]:
    return [one["sentence"] for one in found if one["check"] == check and (not verdicts or one["verdict"] in verdicts)]


def only(found: Found, check: str, verdict: str) -> str:
    """The one finding of a check that is not ok."""
    (one,) = [one for one in found if one["check"] == check and one["verdict"] not in ("ok",)]
    assert one["verdict"] == verdict, one
    return one["sentence"]


def test_a_healthy_set_up_is_all_ok_and_nothing_is_created(plane: Plane, lab: str, doctor: Doctor) -> None:
    found = doctor(None, "conditions/base.json")
    asked = [one for one in found if one["area"] in ("cluster", "store")]
    assert {one["verdict"] for one in asked} == {"ok"}, asked
    assert of(found, "API server")[0].startswith("v1.35.4 at https://127.0.0.1:")
    assert of(found, "namespace") == [f"namespace {lab}, Pod Security restricted"]
    assert of(found, "nodes")[0].startswith(
        "draem, dinomaly, patchcore, draem_sevnet (nvidia.com/gpu 1): 1 of 1 node would do, "
    )
    assert {"claim hdmap is there and bound (ReadOnlyMany)", "Secret s3-keys is there with credentials"} <= {
        *of(found, "objects")
    }
    assert "usable, commits are conditional" in of(found, "store")[0]
    for resource in (JOBS, PODS):
        assert plane.request("GET", resource.path(lab))["items"] == []


def test_rights_that_are_missing(plane: Plane, lab: str, doctor: Doctor) -> None:
    found = doctor(token=plane.account(lab, "nobody", []), code=1)
    look, logs, control = of(found, "rights", "wrong")
    assert look.startswith("status, explain, report --wait: these credentials may not get jobs.batch, list jobs.batch")
    assert logs == "logs: these credentials may not get pods/log"
    assert "create jobs.batch" in control
    assert "may not create jobs.batch" in of(found, "admission", "wrong")[0]
    for check in ("namespace", "nodes", "quota"):
        assert of(found, check, "left out"), check
    assert all("may not be read" in told for told in of(found, "objects"))


def test_the_roles_that_we_ship_are_enough(plane: Plane, lab: str, doctor: Doctor) -> None:
    rules = [
        dict(zip(("apiGroups", "resources", "verbs"), map(list, rule), strict=True)) for rule in RULES["controller"]
    ]
    rules.append({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]})
    found = doctor(token=plane.account(lab, "operator", rules))
    assert of(found, "rights", "wrong") == []
    assert of(found, "admission", "ok") == ["Job of patchcore: the server would take it"]
    assert "may not create pods" in of(found, "admission", "left out")[0]
    assert "Secret s3-keys may not be read: whether it is there shows when the first pod starts" in of(found, "objects")


def test_a_quota_that_is_spent_and_one_that_is_too_small(plane: Plane, lab: str, doctor: Doctor) -> None:
    plane.request("POST", JOBS.path(lab), job("a", ending("runs")))
    plane.running_pod(lab, "a")
    quotas = {"small": {f"requests.{GPU}": "0"}, "spent": {"count/jobs.batch": "1"}, "wide": {"pods": "9"}}
    for name, hard in quotas.items():
        plane.request("POST", QUOTAS.path(lab), {"metadata": {"name": name}, "spec": {"hard": hard}})
        counted = dict.fromkeys(hard, "1")
        plane.until(QUOTAS.path(lab, name), lambda one, counted=counted: one["status"].get("used") == counted)
    found = doctor(code=1)
    assert of(found, "quota", "wrong") == [f"quota small never has room for a Job of patchcore: requests.{GPU} 1 of 0"]
    assert of(found, "quota", "warning") == ["quota spent is spent for patchcore: count/jobs.batch 0 left, 1 asked"]
    assert of(found, "quota", "ok") == ["quota wide has room for 8 Jobs now (patchcore)"]
    assert "exceeded quota: spent" in " ".join(of(found, "admission", "warning"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"resources.gpuResource": "nvidia.com/mig-1g.10gb"}, "none offers nvidia.com/mig-1g.10gb now; offered: "),
        ({"placement.nodeSelector": {"gpu": "real"}}, "none that offers what it asks for has the labels gpu=real"),
        ({"resources.memory": "5000Gi"}, "none is large enough, even empty: memory 5000Gi (the most is 4096Gi)"),
    ],
)
def test_no_node_that_fits(doctor: Doctor, changes: dict[str, Any], sentence: str) -> None:
    assert sentence in only(doctor(changes, code=1), "nodes", "wrong")


def test_a_taint_that_nobody_tolerates(plane: Plane, doctor: Doctor) -> None:
    taint = {"key": "team", "value": "other", "effect": "NoSchedule"}
    with plane.node(2, {"gpu": "tainted"}, [taint]):
        changes: dict[str, Any] = {"placement.nodeSelector": {"gpu": "tainted"}}
        told = only(doctor(changes, code=1), "nodes", "wrong")
        assert told.endswith("each that fits otherwise has a taint that it does not tolerate: team=other:NoSchedule")
        changes["placement.tolerations"] = [{"key": "team", "operator": "Exists"}]
        assert "2 Jobs at once when they are empty" in of(doctor(changes), "nodes", "ok")[0]


def test_an_overlay_that_breaks_pod_security(doctor: Doctor) -> None:
    overlay = {"spec": {"containers": [{"name": "trainer", "securityContext": {"allowPrivilegeEscalation": True}}]}}
    found = doctor({"podOverlay": overlay}, code=1)
    (told,) = of(found, "admission", "wrong")
    assert told.startswith("Pod of patchcore: a policy of the cluster refuses it")
    assert 'violates PodSecurity "restricted' in told


def test_objects_that_are_not_there(plane: Plane, lab: str, doctor: Doctor) -> None:
    plane.request("DELETE", SERVICE_ACCOUNTS.path(lab, "crossad-report"))
    plane.request("POST", CONFIG_MAPS.path(lab), {"metadata": {"name": "site-ca"}, "data": {"other.crt": "x"}})
    changes = {
        "images.pullSecrets": ["registry"],
        "store.secretKey": "aws",
        "data.claim": "elsewhere",
        "ca": {"configMap": "site-ca"},
        "placement.priorityClassName": "night",
        "placement.runtimeClassName": "gvisor",
        "queue.name": "gpus",
        "serviceAccount": "nobody-s3",
    }
    found = doctor(changes, code=1)
    assert {*of(found, "objects", "wrong")} == {
        "Secret registry is not there",
        "Secret s3-keys has no key aws; its keys: credentials",
        "claim elsewhere is not there",
        "ConfigMap site-ca has no key ca.crt; its keys: other.crt",
        "PriorityClass night is not there",
        "RuntimeClass gvisor is not there",
        "ServiceAccount nobody-s3 is not there",
        "LocalQueue gpus: this cluster knows no such kind",
    }
    assert of(found, "objects", "warning") == [
        "ServiceAccount crossad-report is not there: the report's Job would get no pod"
    ]
    assert of(found, "admission", "wrong")  # the server refuses the pod for one of them


def test_a_claim_of_one_node_or_without_a_volume(plane: Plane, lab: str, doctor: Doctor) -> None:
    for name, mode in (("one-node", "ReadWriteOnce"), ("one-pod", "ReadWriteOncePod"), ("waits", "ReadWriteMany")):
        spec = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
        plane.request("POST", CLAIMS.path(lab), {"metadata": {"name": name}, "spec": spec})
    suite = "conditions/base.json"
    told = only(doctor({"data.claim": "one-node"}, suite), "objects", "warning")
    assert told == "claim one-node is for one node at a time (ReadWriteOnce): 16 Jobs run on that one only"
    told = only(doctor({"data.claim": "one-pod"}, suite, code=1), "objects", "wrong")
    assert told == "claim one-pod is for one pod (ReadWriteOncePod), and there are 16 Jobs"
    told = only(doctor({"data.claim": "waits"}, suite), "objects", "warning")
    assert told == "claim waits is there, and has no volume yet (Pending)"
    told = only(doctor({"volumes.cacheClaim": "hdmap"}, suite, code=1), "objects", "wrong")
    assert told == "claim hdmap is to be written, and is ReadOnlyMany"


def test_a_namespace_that_is_not_there(doctor: Doctor) -> None:
    found = doctor(None, "-n", "t-nowhere", code=1)
    assert of(found, "namespace", "wrong") == ["namespace t-nowhere is not there"]
    for check in ("admission", "quota", "objects"):
        assert of(found, check) == ["not tried: see namespace"]
    assert of(found, "nodes", "ok")


def test_a_namespace_without_pod_security(plane: Plane, doctor: Doctor) -> None:
    name = plane.namespace()
    try:
        unlabelled = {"metadata": {"labels": {POD_SECURITY: None}}}
        plane.request("PATCH", f"/api/v1/namespaces/{name}", unlabelled, "application/merge-patch+json")
        assert "has no Pod Security label" in only(doctor(None, "-n", name, code=1), "namespace", "warning")
    finally:
        plane.drop(name)


def test_an_api_server_that_is_not_there(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossad.cli.doctor.PATIENCE", 0.0)
    found = doctor(server="http://127.0.0.1:9", code=1)
    assert "no whole answer" in only(found, "API server", "wrong")
    for check in ("namespace", "rights", "admission", "nodes", "quota", "objects"):
        assert [one["verdict"] for one in found if one["check"] == check] == ["left out"], check
    assert of(found, "store", "ok")  # one fault hides no other check


def test_an_api_server_that_is_too_old(plane: Plane, doctor: Doctor) -> None:
    with faultproxy.serving(plane.url, context=plane.context) as proxy:
        proxy.add("refuse", "GET", "/version", status=200, body=b'{"gitVersion": "v1.29.3"}')
        found = doctor(server=proxy.endpoint, code=1)
    assert "too old, at least 1.31 is needed" in only(found, "API server", "wrong")


def test_a_context_that_is_not_there(doctor: Doctor) -> None:
    found = doctor(None, "--context", "nowhere", code=1)
    assert "no context nowhere" in only(found, "API server", "wrong")


def test_a_suite_with_faults_is_bad_input(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(json.JSONDecodeError):
        doctor(None, str(tmp_path / "bad.json"), code=2)
