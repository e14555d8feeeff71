"""checkov's rules for Kubernetes find nothing in what crossad makes but what checkov.toml gives a reason for.

One call over everything, in an environment of its own and without a network; `make test` installs it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import clusterbuild
import pytest
from click.testing import CliRunner

from crossad.cli import cli
from crossad.manifests.control import anchor, control_job
from crossad.manifests.load import parse_settings
from crossad.manifests.text import to_yaml

from .conftest import FULL, MINIMAL, ROOT

sys.path.append(str(ROOT / "tests/tools"))
from toolbuild import CHECKOV

SUPPRESSED = tomllib.loads(Path(__file__).with_name("checkov.toml").read_text(encoding="utf-8"))["suppressed"]
CHART = ROOT / "charts/crossad"
SUITE = ROOT / "conditions/base.json"
NOT_OURS = """
apiVersion: batch/v1
kind: Job
metadata: {name: careless, namespace: lab}
spec:
  template:
    spec:
      restartPolicy: Never
      hostNetwork: true
      containers: [{name: main, image: somewhere/it, securityContext: {privileged: true}}]
"""
CARELESS = {
    "CKV_K8S_16": "privileged",
    "CKV_K8S_19": "host network",
    "CKV_K8S_13": "no memory limit",
    "CKV_K8S_43": "no digest",
}

Found = set[tuple[str, str]]  # check, "/file Kind.namespace.name..."


def render(folder: Path) -> None:
    """What `crossad render` and a controller make of some settings, and what an operator applies first."""
    sample = (ROOT / "k8s/sample/settings.yaml").read_text(encoding="utf-8")
    for name, text in {"minimal": MINIMAL, "full": FULL, "sample": sample}.items():
        out, file = folder / "render" / name, folder / f"{name}.settings"
        file.write_text(text)
        options = ["--settings", str(file), "--run", "night1", "-o", str(out)]
        done = CliRunner().invoke(cli, ["render", str(SUITE), *options])
        assert done.exit_code == 0, done.output
        settings = parse_settings(name, text)
        (out / "control.yaml").write_text(to_yaml(control_job("night1", settings)))
        (out / "anchor.yaml").write_text(to_yaml(anchor("night1", settings.namespace)))
    shutil.copytree(ROOT / "k8s", folder / "k8s", ignore=shutil.ignore_patterns("settings.yaml"))


def render_chart(folder: Path, home: Path) -> None:
    folder.mkdir()
    environment = {**os.environ, **{f"HELM_{kind}_HOME": str(home / kind) for kind in ("CACHE", "CONFIG", "DATA")}}
    for values in (CHART / "ci").glob("*.yaml"):
        words = ["template", "night1", CHART, "-n", "lab", "-f", values, "--set-file", f"suite={SUITE}"]
        program = clusterbuild.HELM.build() / "helm"
        made = subprocess.run([program, *words], env=environment, capture_output=True, text=True, check=True)
        (folder / values.name).write_text(made.stdout)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, Found]:
    """What checkov passed, and what it found."""
    folder, home = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("home")
    render(folder)
    if clusterbuild.HELM.built or os.environ.get("CI") == "true":  # else `make test` says what is left out
        render_chart(folder / "chart", home)
    (folder / "careless.yaml").write_text(NOT_OURS)
    program = [CHECKOV.build() / "bin/python", ROOT / "tests/tools/offline.py", "checkov.main"]
    options = ["--framework", "kubernetes", "--skip-download", "--compact", "--output", "json"]
    # a home of its own: no configuration of somebody's, no key of a hosted service
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"}
    command = [*program, "--directory", folder, *options]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr  # it found something: the careless Job
    answer = json.loads(done.stdout)
    assert answer["summary"]["parsing_errors"] == 0
    passed, failed = (
        {(one["check_id"], f"{one['file_path']} {one['resource']}") for one in answer["results"][f"{kind}_checks"]}
        for kind in ("passed", "failed")
    )
    files = {f"/{path.relative_to(folder)}" for path in folder.rglob("*.yaml") if "kind: Job" in path.read_text()}
    assert files <= {where.split(" ")[0] for _, where in passed | failed}, "it looked at every Job"
    return passed, failed


def is_suppressed(check: str, where: str) -> bool:
    return any(one["check"] == check and re.search(one["where"], where) for one in SUPPRESSED)


def test_checkov_finds_nothing_without_a_reason(told: tuple[Found, Found]):
    ours = {(check, where) for check, where in told[1] if not where.startswith("/careless.yaml")}
    assert [found for found in sorted(ours) if not is_suppressed(*found)] == []


def test_checkov_would_see_a_careless_job(told: tuple[Found, Found]):
    seen = {check for check, where in told[1] if where.startswith("/careless.yaml")}
    assert set(CARELESS) <= seen


@pytest.mark.parametrize("one", SUPPRESSED, ids=lambda one: f"{one['check']}{one['where']}")
def test_every_suppression_is_needed_and_has_a_reason(one: dict[str, str], told: tuple[Found, Found]):
    needed = any(check == one["check"] and re.search(one["where"], where) for check, where in told[1])
    assert needed or ("/chart/" in one["where"] and not clusterbuild.HELM.built)
    assert len(one["reason"].split()) >= 5
