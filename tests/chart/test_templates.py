"""What the chart makes, over several sets of values, without a cluster."""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import jsonschema
import kubernetes_validate
import pytest
import yaml
from pydantic import BaseModel

from crossad.cli.chart_files import model_of, texts
from crossad.errors import InterruptedRun
from crossad.manifests import words
from crossad.manifests.access import access
from crossad.manifests.light import light_job
from crossad.manifests.names import LONGEST
from crossad.manifests.pod import option_words
from crossad.manifests.settings import Settings

from .conftest import CHART, SETS, SMOKE, Helm, Objects

Template = Callable[..., Objects]
VERSIONS = ("1.31", "1.35", "1.37")
MADE = {words.SPEC}  # a hash of other text: no two programs write JSON alike


def one(objects: Objects, kind: str, name: str = "") -> dict[str, Any]:
    (found,) = (found for found in objects if found["kind"] == kind and found["metadata"]["name"].startswith(name))
    return found


def told(objects: Objects) -> Settings:
    """The settings as the controller reads them."""
    return Settings.model_validate_json(one(objects, "ConfigMap", "controller-")["data"]["settings.json"])


def without_hash(job: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in job["metadata"].items() if key != "name"}
    metadata["annotations"] = {key: text for key, text in metadata["annotations"].items() if key not in MADE}
    return {**job, "metadata": metadata}


@pytest.mark.parametrize("name", ["values.yaml", "values.schema.json", "README.md"])
def test_what_is_generated_is_up_to_date(name: str):
    assert (CHART / name).read_text(encoding="utf-8") == texts(CHART)[name], "run make golden"


def leaves(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every single setting."""
    for name, field in model.model_fields.items():
        path, inner = (*above, field.alias or name), model_of(field.annotation)
        if inner is None or get_origin(field.annotation) is dict:
            yield path
        else:
            yield from leaves(inner, path)


def paths(found: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield above
    for key, inner in found.items() if isinstance(found, dict) else ():
        yield from paths(inner, (*above, key))


def test_every_setting_is_said_in_some_set_of_values():
    """So what follows is tried with all of them."""
    said = {path for one in SETS for path in paths(yaml.safe_load((CHART / f"ci/{one}.yaml").read_text()))}
    assert [path for path in leaves(Settings) if path not in said] == [("namespace",)]


@pytest.mark.parametrize("values", SETS)
def test_lint_finds_nothing(helm: Helm, values: str):
    done = helm("lint", "--strict", CHART, "-f", CHART / f"ci/{values}.yaml", "--set-file", f"suite={SMOKE}")
    assert done.returncode == 0, done.stdout
    assert "WARNING" not in done.stdout


@pytest.mark.parametrize("values", SETS)
def test_the_controller_is_that_of_crossad_s_own_manifests(template: Template, values: str):
    objects = template(values)
    job, settings = one(objects, "Job"), told(objects)
    run, name = job["metadata"]["annotations"][words.RUN_NAME], job["metadata"]["name"]
    volume = {"name": "suite", "configMap": {"name": name}}
    arguments = ["submit", "/suite/suite.json", "--settings", "/suite/settings.json", "--run", run]
    expected = light_job(
        words.CONTROLLER,
        run,
        settings,
        [*arguments, "--results-dir", words.RESULTS],
        volumes=[(volume, {"name": "suite", "mountPath": "/suite", "readOnly": True})],
        harmless=[InterruptedRun.exit_code],
    )
    assert without_hash(job) == without_hash(expected)
    assert name.startswith("controller-")
    assert len(name) <= LONGEST
    assert one(objects, "ConfigMap", name)["data"]["suite.json"] == SMOKE.read_text(encoding="utf-8")


@pytest.mark.parametrize("values", SETS)
def test_accounts_are_those_of_crossad_s_own_manifests_and_stay(template: Template, values: str):
    objects = template(values)
    kinds = ("ServiceAccount", "Role", "RoleBinding")
    found = {(made["kind"], made["metadata"]["name"]): made for made in objects if made["kind"] in kinds}
    for made in found.values():
        assert made["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    settings = told(objects)
    expected = [made for component in (words.REPORT, words.CONTROLLER) for made in access(component, settings)]
    assert found == {(made["kind"], made["metadata"]["name"]): made for made in expected}


@pytest.mark.parametrize("values", SETS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(template: Template, values: str, version: str):
    for found in template(values):
        kubernetes_validate.validate(found, version, strict=True)


@pytest.mark.parametrize("values", SETS)
def test_the_same_jobs_as_crossad_render(template: Template, values: str, tmp_path: Path):
    """The values file is a settings file, but for what is the chart's own; so is what the controller reads."""
    own = yaml.safe_load((CHART / f"ci/{values}.yaml").read_text())
    settings = {key: value for key, value in own.items() if key not in ("run", "networkPolicy")} | {"namespace": "lab"}
    for name, text in (
        ("own", yaml.safe_dump(settings)),
        ("chart", one(template(values), "ConfigMap", "controller-")["data"]["settings.json"]),
    ):
        (tmp_path / f"{name}.yaml").write_text(text)
        words_ = ["render", SMOKE, "--settings", tmp_path / f"{name}.yaml", "-o", tmp_path / name, "--run", "night1"]
        done = subprocess.run([sys.executable, "-m", "crossad", *words_], capture_output=True, text=True, check=False)
        # domains that are not there are a fault of the suite, and the same one
        (tmp_path / f"{name}.said").write_text(done.stderr.replace(str(tmp_path / name), "DIR"))
    assert (tmp_path / "own.said").read_text() == (tmp_path / "chart.said").read_text()
    files = [{path.name: path.read_bytes() for path in (tmp_path / name).glob("*")} for name in ("own", "chart")]
    assert files[0] == files[1]


@pytest.mark.parametrize("values", SETS)
def test_notes_name_the_store_as_a_shell_takes_it(helm: Helm, template: Template, values: str):
    usual = ("-n", "lab", "-f", CHART / f"ci/{values}.yaml", "--set-file", f"suite={SMOKE}")
    done = helm("install", "night1", CHART, *usual, "--dry-run=client", KUBECONFIG=os.devnull)
    assert done.returncode == 0, done.stderr
    store = told(template(values)).store
    expected = ["--store", store.uri, *option_words("--store-option", store.options)]
    lines = [shlex.split(line) for line in done.stdout.splitlines() if line.startswith("  crossad ")]
    assert [line[1] for line in lines] == ["status", "explain", "fetch", "report", "cancel"]
    for line in lines:
        start = line.index("--store")
        assert line[start : start + len(expected)] == expected


def test_null_is_told_from_nothing_said(template: Template):
    settings = told(template("openshift"))
    assert settings.security.run_as_user is None
    assert settings.job.max_preemptions is None
    assert told(template("s3")).security.run_as_user == 65532


def test_every_value_for_which_null_means_something_is_put_back():
    """Helm drops such a key; the template has to know it."""
    text = (CHART / "templates/_helpers.tpl").read_text()
    (line,) = re.findall(r"range \$part, \$keys := dict (.*?) -}}", text)
    known = {part: set(re.findall(r'"(\w+)"', keys)) for part, keys in re.findall(r'"(\w+)" \(list (.*?)\)', line)}
    meant: dict[str, set[str]] = {}
    for part, field in Settings.model_fields.items():
        for inner in getattr(field.annotation, "model_fields", {}).values():
            if NoneType in get_args(inner.annotation) and inner.default is not None and part != "resources":
                meant.setdefault(part, set()).add(inner.alias)
    assert known == meant


def test_the_name_follows_suite_and_values_and_nothing_else(template: Template, tmp_path: Path):
    def name(*words_: str, suite: Path = SMOKE) -> str:
        return str(one(template("s3", *words_, suite=suite), "Job")["metadata"]["name"])

    other = tmp_path / "other.json"
    other.write_text(SMOKE.read_text() + "\n")
    usual = name()
    assert name() == usual == name("--set", "networkPolicy.enabled=false")
    assert len({usual, name(suite=other), name("--set", "report.cpu=2"), name("--set", "run=b")}) == 4


@pytest.mark.parametrize("run", ["A" * 80, "Night_1.b+c", "-x-", "1"])
def test_any_run_name_makes_names_that_a_cluster_takes(template: Template, run: str):
    for found in template("s3", "--set-string", f"run={run}"):
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", found["metadata"]["name"])
        kubernetes_validate.validate(found, "1.35", strict=True)


@pytest.mark.parametrize(
    ("words_", "said"),
    [
        (["--set-file", "suite=/dev/null"], "no suite: give its text"),
        (["--set", "images.trainer=reg/x:1"], "images.trainer: reg/x:1 has no digest"),
        (["--set", "data.claim=hdmap"], "data: name one of claim and uri"),
        (["--set", "data.uri=null"], "data: name one of claim and uri"),
        (["--set", "networkPolicy.enabled=true"], "networkPolicy.store: without it"),
        (["--set", "report.podOverlay.spec.containers[0].name=report"], "lists are merged by name"),
        (["--set", "imagse.trainer=x"], "additional properties 'imagse' not allowed"),
        (["--set", "job.graceSecond=30"], "additional properties 'graceSecond' not allowed"),
        (["--set", "job.graceSeconds=5"], "minimum: got 5, want 20"),
        (["--set", "images.controller=null"], "at '/images/controller': got null, want string"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_created(helm: Helm, words_: list[str], said: str):
    usual = ("template", "night1", CHART, "-f", CHART / "ci/s3.yaml", "--set-file", f"suite={SMOKE}")
    done = helm(*usual, *words_)
    assert done.returncode != 0
    assert said in done.stderr


def test_every_value_of_another_kind_is_refused_where_it_stands():
    """By the schema alone, which helm asks before anything else: no value takes a list and an unknown key alike."""
    schema = jsonschema.Draft202012Validator(json.loads((CHART / "values.schema.json").read_text()))
    good = {**yaml.safe_load((CHART / "ci/s3.yaml").read_text()), "suite": "{}"}
    schema.validate(good)
    for path in leaves(Settings):
        refused = []
        for wrong in (["no"], {"unknown": {}}):
            bad = copy.deepcopy(good)
            at = bad
            for key in path[:-1]:
                at = at.setdefault(key, {})
            at[path[-1]] = wrong
            refused += list(schema.iter_errors(bad))
        assert refused, path
        above = {"/".join(map(str, one.absolute_path)) for one in refused}
        assert all("/".join(path).startswith(place.partition("/")[0]) for place in above), (path, above)


def conditions(count: int) -> list[dict[str, Any]]:
    config = {"model_type": "patchcore", "source_domain": "domain_A", "target_domains": ["domain_B"]}
    return [{"name": f"c{index}", "description": "", "config": {**config, "seed": index}} for index in range(count)]


def test_ten_thousand_conditions_fit_as_a_matrix_or_are_refused_with_the_way_out(
    helm: Helm, template: Template, tmp_path: Path
):
    short, long = tmp_path / "short.json", tmp_path / "long.json"
    (only,) = conditions(1)
    only["config"].pop("seed")
    only["matrix"] = {"seed": list(range(10_000))}
    short.write_text(json.dumps({"experiment_conditions": [only]}))
    long.write_text(json.dumps({"experiment_conditions": conditions(10_000)}))
    assert one(template("s3", suite=short), "Job")
    done = helm("template", "n", CHART, "-f", CHART / "ci/s3.yaml", "--set-file", f"suite={long}")
    assert done.returncode != 0
    assert f"the suite has {long.stat().st_size} bytes" in done.stderr
    assert "hint: write it with `matrix`" in done.stderr
    assert "crossad submit SUITE" in done.stderr


def test_the_smoke_test_is_outside_the_run(template: Template):
    pod = one(template("s3"), "Pod")
    assert not [label for label in pod["metadata"]["labels"] if label.startswith(words.PREFIX)]
    (container,) = pod["spec"]["containers"]
    assert not [word for word in container["args"] if "s3://" in word]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
