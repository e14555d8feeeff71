"""The guide's monitoring lines, typed into a shell beside a run of the real trainer; CPU-tiny, two steps."""

# ruff: noqa: S602 - the guide's lines are shell lines

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
NAME, RUN = "domainA_to_BCD_draem_baseline", "20250831_120000"
CONFIG = {
    "model_type": "draem",
    "source_domain": "domain_A",
    "target_domains": ["domain_B", "domain_C", "domain_D"],
    "image_size": [32, 32],
    "in_channels": 1,
    "base_width": 4,
    "discriminator_width": 4,
    "batch_size": 2,
    "max_epochs": 1,
    "max_steps": 2,
    "max_visualizations": 1,
    "num_workers": 1,
}
RECORDS = "results/*/tensorboard_logs/result_*.json"
FOLLOWED = {  # the guide's line -> words that must come
    "tail -f multi_domain_training.log": "done in",
    "tail -f results/*/multi_domain_*.log": "Target domain_D AUROC:",
    "tail -f results/*/training_detail.log": NAME,
    "tail -f results/20250831_*/domainA_to_BCD_*/training_detail.log": "fitting",
    "tail -f $(ls -t results/*/multi_domain_*.log | head -1)": "Target domain_D AUROC:",
}
PRINTED = {
    'grep -r "AUROC" results/*/multi_domain_*.log': "Source domain_A AUROC:",
    f'grep -r "Target.*AUROC" {RECORDS}': "Target domain_B AUROC:",
    f"ls {RECORDS}": f"result_{NAME}_",
    f'grep -r "val_image_AUROC" {RECORDS}': '"val_image_AUROC"',
    f'grep -r "target_results" {RECORDS}': '"target_results"',
}
FEEDS_NAMES = f'grep -r "target_results" {RECORDS} | jq .'  # not JSON: the one line that cannot work as written
CORRECTED = f"jq .target_results {RECORDS}"
BOARD = "tensorboard --logdir results/20250831_*/tensorboard_logs"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where somebody started a suite for the night, as the guide has it."""
    root = tmp_path_factory.mktemp("desk")
    suite = {"experiment_conditions": [{"name": NAME, "config": CONFIG}]}
    (root / "base-exp_condition1.json").write_text(json.dumps(suite))
    shell(root, "crossad synth data --train 4 --test 4 --size 32x32", check=True)
    line = (
        f"nohup crossad run base-exp_condition1.json --run {RUN} --gpus cpu > multi_domain_training.log 2>&1 & wait $!"
    )
    done = shell(root, line)
    assert done.returncode == 0, (root / "multi_domain_training.log").read_text()
    return root


def surroundings() -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}


def shell(root: Path, line: str, *, check: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line,
        shell=True,
        cwd=root,
        env=surroundings(),
        capture_output=True,
        text=True,
        check=check,
        executable="/bin/bash",
    )


@pytest.mark.parametrize(("line", "words"), FOLLOWED.items(), ids=[f"tail{number}" for number in range(len(FOLLOWED))])
def test_what_the_guide_follows_can_be_followed(desk: Path, line: str, words: str) -> None:
    process = subprocess.Popen(
        line.replace("tail -f", "tail -n 100 -f"),
        shell=True,
        cwd=desk,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        assert any(words in row for row in process.stdout)
        assert process.poll() is None, "it follows"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate()


@pytest.mark.parametrize(("line", "words"), PRINTED.items(), ids=[f"line{number}" for number in range(len(PRINTED))])
def test_what_the_guide_looks_up_is_found(desk: Path, line: str, words: str) -> None:
    shown = shell(desk, line)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert words in shown.stdout


def test_jq_reads_the_records_by_the_corrected_line(desk: Path) -> None:
    if shutil.which("jq"):
        assert shell(desk, FEEDS_NAMES).stderr.startswith(("parse error", "jq: parse error", "jq: error"))
        shown = shell(desk, CORRECTED).stdout
    else:  # Python does the same
        shown = json.dumps(json.loads(next(desk.glob(RECORDS)).read_text())["target_results"])
    results = json.loads(shown)
    assert list(results) == CONFIG["target_domains"]
    assert all(result["test_image_AUROC"] is not None for result in results.values())


def test_tensorboard_finds_the_curves_through_the_links(desk: Path) -> None:
    listed = shell(desk, f"{BOARD} --inspect")
    assert listed.returncode == 0, listed.stderr
    assert NAME in listed.stdout
    assert "result/test_image_AUROC/domain_B" in listed.stdout
    assert "result/val_image_AUROC" in listed.stdout


def test_processes_and_analysis_have_their_verbs(desk: Path) -> None:
    shown = shell(desk, "crossad status")
    assert f"{NAME} " in shown.stdout
    assert " done " in shown.stdout
    report = shell(desk, "crossad report --results-dir results --all-models")
    assert report.returncode == 0, report.stderr
    assert "Target domain_B AUROC" in report.stdout
    assert (desk / "results" / RUN / "report/index.html").is_file()


def test_every_line_of_the_guide_is_in_the_documents() -> None:
    page = (ROOT / "docs/local-runs.md").read_text(encoding="utf-8").replace("\\|", "|")
    for line in (*FOLLOWED, *PRINTED, FEEDS_NAMES, CORRECTED, BOARD):
        assert f"`{line}`" in page or line in page, line
