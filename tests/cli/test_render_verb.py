from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from crossad.cli import cli
from crossad.cli.rendered import LIST

ROOT = Path(__file__).parents[2]
BASE = str(ROOT / "conditions/base.json")
DIGEST = "sha256:" + "0" * 64
SETTINGS = f"""
images: {{trainer: "reg.example/trainer@{DIGEST}", controller: "reg.example/slim@{DIGEST}"}}
store: {{uri: "s3://bucket/prefix"}}
data: {{claim: hdmap}}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "cluster.yaml"
    file.write_text(SETTINGS)
    return file


@pytest.fixture
def render(settings):
    def call(*words: str, file: str = BASE, code: int = 0):
        done = CliRunner().invoke(cli, ["render", file, "--settings", str(settings), *words])
        assert done.exit_code == code, done.output + repr(done.exception)
        return done

    return call


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def jobs(folder: Path) -> list[Path]:
    return sorted(folder.glob("30-job-*"))


def test_a_second_render_gives_the_same_bytes_and_touches_no_file(render, tmp_path):
    out, again = tmp_path / "out", tmp_path / "again"
    render("-o", str(out))
    render("-o", str(again))
    assert contents(out) == contents(again)
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.yaml")}
    render("-o", str(out))
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.yaml")} == before
    assert len(jobs(out)) == 16


def test_every_file_is_one_object_that_kubectl_takes(render, tmp_path):
    render("-o", str(tmp_path / "out"))
    for name, data in contents(tmp_path / "out").items():
        if name == LIST:
            continue
        (found,) = yaml.safe_load_all(data)
        assert name.endswith(f"-{found['kind'].lower()}-{found['metadata']['name']}.yaml")
        assert found["kind"] != "Kustomization"


def test_the_list_beside_the_files_is_a_checksum_file(render, tmp_path):
    render("-o", str(tmp_path / "out"), "--run", "night1")
    head, *lines = (tmp_path / "out" / LIST).read_text().splitlines()
    assert head == "# written by crossad render; run: night1"
    for line in lines:
        one, name = line.split("  ")
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == one


def test_the_run_is_called_after_the_suite_and_its_content(render, tmp_path):
    facts = [
        json.loads(render("-o", str(tmp_path / str(index)), "--json", *words).stdout)
        for index, words in enumerate([(), (), ("--set", "max_epochs=1")])
    ]
    runs = [one["run"] for one in facts]
    assert runs[0] == runs[1] != runs[2]
    assert runs[0].startswith("base-")
    assert facts[0]["jobs"] == 16
    assert len(facts[0]["files"]) == 21


def test_files_of_a_smaller_selection_replace_those_of_a_larger_one(render, tmp_path):
    out = tmp_path / "out"
    render("-o", str(out), "--run", "night1")
    done = render("-o", str(out), "--run", "night1", "--ids", "0-3")
    assert len(jobs(out)) == 4
    assert "14 files of an earlier render removed" in done.stderr  # 12 Jobs, the old plan, the old report
    fresh = tmp_path / "fresh"
    render("-o", str(fresh), "--run", "night1", "--ids", "0-3")
    assert contents(out) == contents(fresh)


@pytest.mark.parametrize("name", ["notes.txt", "kustomization.yaml", "30-job-mine.yaml"])
def test_a_folder_with_foreign_files_is_left_alone(name, render, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    done = render("-o", str(tmp_path / "out"), code=2)
    assert f"files that crossad render did not write: {name}" in done.stderr
    assert contents(tmp_path / "out") == {name: b"mine"}


def test_a_file_changed_by_hand_is_never_overwritten_or_removed(render, tmp_path):
    out = tmp_path / "out"
    render("-o", str(out), "--run", "night1")
    changed = jobs(out)[-1]
    changed.write_text("mine")
    before = contents(out)
    for words in ((), ("--ids", "0")):
        done = render("-o", str(out), "--run", "night1", *words, code=2)
        assert f"files that were changed by hand: {changed.name}" in done.stderr
    assert contents(out) == before


def test_another_runs_folder_is_left_alone(render, tmp_path):
    render("-o", str(tmp_path / "out"), "--run", "night1")
    before = contents(tmp_path / "out")
    done = render("-o", str(tmp_path / "out"), "--run", "night2", code=2)
    assert "holds the files of run night1" in done.stderr
    assert contents(tmp_path / "out") == before


def test_a_render_that_was_cut_off_is_completed_by_the_next(render, tmp_path, monkeypatch):
    out, whole = tmp_path / "out", tmp_path / "whole"
    render("-o", str(out), "--run", "night1", "--ids", "0-3")
    render("-o", str(whole), "--run", "night1")
    write, left = Path.write_bytes, [5]

    def tired(path: Path, data: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", tired)
    render("-o", str(out), "--run", "night1", code=1)
    monkeypatch.undo()
    assert contents(out) != contents(whole)
    render("-o", str(out), "--run", "night1")
    assert contents(out) == contents(whole)


def test_stdout_gets_the_objects_and_nothing_else(render, tmp_path):
    done = render("--stdout", "--ids", "0")
    found = list(yaml.safe_load_all(done.stdout))
    assert [one["kind"] for one in found] == ["ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Job", "Job"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cluster.yaml"]


def test_options_win_over_the_settings(render):
    words = ("--namespace", "lab", "--store", "s3://other/x", "--data", "s3://images/hdmap")
    (*_, job) = yaml.safe_load_all(render("--stdout", "--ids", "0", *words).stdout)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert job["metadata"]["namespace"] == "lab"
    assert {"s3://other/x", "s3://images/hdmap"} <= set(container["args"])
    claims = [one for one in job["spec"]["template"]["spec"]["volumes"] if "persistentVolumeClaim" in one]
    assert claims == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "say where to: -o FOLDER, or --stdout"),
        (("--stdout", "-o", "x"), "say where to: -o FOLDER, or --stdout"),
        (("--stdout", "--run", "a b"), "--run: got 'a b', allowed: letters"),
        (("--stdout", "--ids", "99"), "no such condition: 99"),
        (("--stdout", "--image", "reg/a:latest"), "has no digest"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(words, told, render):
    assert told in render(*words, code=2).stderr


def test_auto_targets_need_a_word_about_the_domains(render, settings, tmp_path):
    suite = tmp_path / "auto.json"
    config = {"model_type": "patchcore", "source_domain": "domain_A", "target_domains": "auto"}
    suite.write_text(json.dumps({"experiment_conditions": [{"name": "a", "config": config}]}))
    assert "settings: data: {domains: [" in render("--stdout", file=str(suite), code=2).stderr
    settings.write_text(SETTINGS.replace("{claim: hdmap}", "{claim: hdmap, domains: [domain_A, domain_B, domain_X]}"))
    assert render("--stdout", file=str(suite)).stdout
    settings.write_text(SETTINGS.replace("{claim: hdmap}", "{claim: hdmap, domains: [domain_B]}"))
    done = render("--stdout", file=str(suite), code=2)
    assert "condition 0 a: no domain domain_A, did you mean domain_B?" in done.stderr


def test_settings_that_are_not_there_are_told(render, settings):
    settings.unlink()
    assert "cannot read settings" in render("--stdout", code=2).stderr
