"""Everything that is made passes what clusters' people check with, strictly, for the oldest and the newest Kubernetes.

kubeconform reads the written files (duplicate keys, unknown fields); kubernetes-validate reads the dicts. Both use the
schemas that kubernetes-validate carries. An API server's own admission is tested in tests/kube.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest

from crossad.manifests.control import anchor, control_job
from crossad.manifests.folder import run_objects
from crossad.manifests.text import to_yaml

from .conftest import ROOT

sys.path.append(str(ROOT / "tests/tools"))
from toolbuild import KUBECONFORM

VERSIONS = ("1.31.0", "1.35.0", "1.37.0")
KINDS = (
    *("job-batch-v1", "role-rbac-v1", "rolebinding-rbac-v1"),
    *("serviceaccount-v1", "configmap-v1", "namespace-v1", "persistentvolumeclaim-v1"),
)


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The schemas that are needed, with references that a file system can follow."""
    carried = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    root = tmp_path_factory.mktemp("schemas")
    for version in VERSIONS:
        (root / version).mkdir()
        for name in ("_definitions", *KINDS):
            text = (carried / f"v{version}-local-strict/{name}.json").read_text(encoding="utf-8")
            schema = json.loads(text.replace('"/api/_definitions.json', '"_definitions.json'))
            del schema["$id"]  # an address on the web, from which references would be looked up
            (root / version / f"{name}.json").write_text(json.dumps(schema))
    return root


@pytest.fixture
def written(plan, minimal, full, tmp_path) -> Path:
    """Two runs as files, and what an operator applies first."""
    for settings, name in ((minimal, "minimal"), (full, "full")):
        (tmp_path / name).mkdir()
        for file, found in run_objects(plan, settings):
            (tmp_path / name / file).write_text(to_yaml(found))
        (tmp_path / name / "control.yaml").write_text(to_yaml(control_job("night1", settings)))
        (tmp_path / name / "anchor.yaml").write_text(to_yaml(anchor("night1", settings.namespace)))
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s", ignore=shutil.ignore_patterns("settings.yaml"))
    return tmp_path


def conform(folder: Path, schemas: Path, version: str) -> tuple[int, dict[str, int], str]:
    program = KUBECONFORM.build() / "kubeconform"
    where = f"{schemas / version}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    command = [program, "-strict", "-summary", "-output", "json", "-kubernetes-version", version]
    done = subprocess.run([*command, "-schema-location", where, folder], capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    return done.returncode, told["summary"], json.dumps(told["resources"])[:2000] + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_kubeconform_takes_every_file(version, written, schemas):
    files = list(written.rglob("*.yaml"))
    code, summary, told = conform(written, schemas, version)
    assert (code, summary["invalid"], summary["errors"], summary["skipped"]) == (0, 0, 0, 0), told
    assert summary["valid"] >= len(files)


def test_kubeconform_would_see_a_misspelt_field(written, schemas):
    file = next((written / "minimal").glob("30-*"))
    file.write_text(file.read_text().replace("podReplacementPolicy", "podReplacmentPolicy"))
    code, summary, _ = conform(written, schemas, VERSIONS[0])
    assert (code, summary["invalid"]) == (1, 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_validate_takes_every_object(version, plan, minimal, full):
    for settings in (minimal, full):
        kinds = {}
        for _, found in run_objects(plan, settings):
            kinds.setdefault((found["kind"], found["metadata"]["labels"]["app.kubernetes.io/component"]), found)
        assert len(kinds) == 6
        for found in kinds.values():
            kubernetes_validate.validate(found, version, strict=True)
