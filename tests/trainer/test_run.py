"""One condition end to end on a real network: what it leaves, and that the pieces agree."""

from __future__ import annotations

import csv
import shutil

import cv2
import pytest
from tinydraem import TINY_DRAEM

from crossad.conditions.suite import parse_config
from crossad.metrics.auroc import auroc
from crossad.results.home import FolderHome
from crossad.results.manifest import parse_manifest, verify_artifacts
from crossad.results.progress import read_progress
from crossad.results.record import Record
from crossad.trainer import predictions
from crossad.trainer.context import Task
from crossad.trainer.run import run_condition

DOMAINS = ["domain_A", "domain_B", "domain_C", "domain_D"]
PICTURES = 4
DRAEM = {
    **TINY_DRAEM,
    "target_domains": "auto",
    "max_epochs": 2,
    "max_visualizations": PICTURES,
    "num_workers": 1,
}


@pytest.fixture(scope="module")
def finished(domains, tmp_path_factory):
    """(task, record) of a DRAEM on four domains."""
    results = tmp_path_factory.mktemp("finished") / "results"
    task = Task("A to BCD, draem", parse_config(DRAEM), domains, results, "night", description="tiny", echo=False)
    return task, run_condition(task)


def test_the_tree_is_the_contracts(finished):
    task, _ = finished
    root = task.results / "night" / next(path.name for path in (task.results / "night").iterdir())
    assert root == task.paths.root
    assert root.name.startswith("A-to-BCD-draem-")
    names = {path.name for path in root.iterdir()}
    assert names >= {"training_detail.log", "predictions.parquet", "predictions.csv", "tensorboard_logs"}
    assert names >= {"manifest.json", "progress.json", task.paths.log.name}
    board = root / "tensorboard_logs"
    assert len(list(board.glob("result_*.json"))) == 1
    assert list(board.glob("events.out.tfevents.*"))
    assert {path.name for path in board.iterdir() if path.is_dir()} == {"checkpoints", "visualizations"}


def test_the_state_for_a_resume_goes_once_the_weights_are_committed(finished):
    task, record = finished
    (weights,) = task.paths.checkpoints.iterdir()
    assert record.best_checkpoint == weights.relative_to(task.results).as_posix()


def test_pictures_of_source_and_targets_lie_apart_and_all_are_there(finished):
    task, _ = finished
    folders = {"source": DOMAINS[:1], "targets": DOMAINS[1:]}
    for role, domains in folders.items():
        there = task.paths.tensorboard / "visualizations" / role
        assert sorted(path.name for path in there.iterdir()) == domains
        for domain in domains:
            pictures = sorted(there.joinpath(domain).iterdir())
            assert len(pictures) == PICTURES
            assert all(cv2.imread(str(picture)) is not None for picture in pictures)


def test_the_record_says_what_was_done(finished):
    task, record = finished
    assert Record.model_validate_json(task.paths.records()[-1].read_bytes()) == record
    assert (record.status, record.run, record.error) == ("success", "night", None)
    assert record.condition["name"] == "A to BCD, draem"
    assert record.condition["config"]["target_domains"] == DOMAINS[1:]
    assert sorted(record.target_results) == DOMAINS[1:]
    assert record.val_image_AUROC == record.source_results.test_image_AUROC
    assert (record.validation, record.selection) == ("source_test", "selected on test")
    assert record.synthetic_data
    assert not record.random_weights
    assert record.deviations == [f"upsampled: {', '.join(DOMAINS)} from 31x95 to 32x96"]
    assert {"build", "fit", "score", "total"} <= record.timings_seconds.keys()
    assert record.peak_memory_bytes > 100e6
    found = record.provenance
    assert (found.device, found.seed, found.deterministic, found.precision) == ("cpu", 42, True, "32-true")
    assert {"torch", "anomalib", "timm", "numpy"} <= found.libraries.keys()
    info = record.training_info
    assert (info.total_steps, info.last_trained_epoch, info.training_images) == (4, 1, 12)
    assert [row["step"] for row in info.curve] == [2, 4]


def test_every_domain_has_counts_intervals_threshold_and_floors(finished):
    _, record = finished
    for domain, result in {"domain_A": record.source_results, **record.target_results}.items():
        assert result.counts == {"good": 12, "fault": 12}, domain
        assert result.interval.low < result.test_image_AUROC < result.interval.high
        assert result.floors.keys() == {"mean_intensity", "max_intensity", "pca"}
        assert all(0 <= value <= 1 for value in result.floors.values())
        assert result.threshold.by_construction == (domain == "domain_A")
        assert result.strata.keys() == {"cold", "warm"}
        assert -1 <= result.severity_spearman <= 1
        assert result.images_per_second > 0
        assert (result.synthetic, result.operating_class is None, result.sensor is None) == (True, False, False)
    thresholds = {result.threshold.threshold for result in record.target_results.values()}
    assert thresholds == {record.source_results.threshold.threshold}


def test_predictions_allow_every_auroc_to_be_computed_again(finished):
    task, record = finished
    rows = predictions.read(task.paths.predictions)
    assert len(rows) == 4 * 24
    for domain, result in {"domain_A": record.source_results, **record.target_results}.items():
        mine = [row for row in rows if row["domain"] == domain]
        assert auroc([row["score"] for row in mine], [row["label"] for row in mine]) == result.test_image_AUROC
        fpr = sum(row["predicted"] for row in mine if not row["label"]) / 12
        assert fpr == result.threshold.fpr


def test_the_csv_holds_the_same_bits_as_the_parquet_file(finished):
    task, _ = finished
    exact = predictions.read(task.paths.predictions)
    with task.paths.predictions.with_suffix(".csv").open(newline="") as handle:
        shown = list(csv.DictReader(handle))
    assert [row["path"] for row in shown] == [row["path"] for row in exact]
    for name in ("score", "severity"):
        assert [float(row[name]) for row in shown] == [row[name] for row in exact]
    for name in ("label", "predicted"):
        assert [int(row[name]) for row in shown] == [row[name] for row in exact]


def test_the_logs_say_every_auroc_as_the_guide_greps_it(finished):
    task, record = finished
    lines = [line for line in task.paths.log.read_text().splitlines() if "AUROC" in line]
    assert any(f"Source domain_A AUROC: {record.val_image_AUROC:.4f}" in line for line in lines)
    for domain, result in record.target_results.items():
        assert any(f"Target {domain} AUROC: {result.test_image_AUROC:.4f}" in line for line in lines)
        assert any(line.startswith(f"Target {domain} AUROC: ") for line in record.summary)
    detail = task.paths.detail_log.read_text()
    assert "fitting: 100%" in detail
    assert "epoch 1: train_loss" in detail


def test_tensorboard_shows_losses_metrics_and_every_domain(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    task, record = finished
    shown: dict[str, float] = {}
    for file in task.paths.tensorboard.glob("events.out.tfevents.*"):
        events = EventAccumulator(str(file)).Reload()
        shown |= {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}
    assert {"train/loss", "train/focal", "train/learning_rate", "val_image_AUROC"} <= shown.keys()
    assert shown["result/val_image_AUROC"] == pytest.approx(record.val_image_AUROC, abs=1e-6)
    for domain, result in record.target_results.items():
        assert shown[f"result/test_image_AUROC/{domain}"] == pytest.approx(result.test_image_AUROC, abs=1e-6)
    assert shown["hparam/avg_target_auroc"] == pytest.approx(record.avg_target_auroc, abs=1e-6)


def test_training_evaluations_and_condition_are_committed_apart(finished):
    task, record = finished
    ledger = FolderHome(task.results).ledger
    assert ledger.commits("training").keys() == {record.training_key}
    assert len(ledger.commits("evaluation")) == 4
    assert ledger.commits("condition").keys() == {record.condition_id}
    commit = ledger.committed("condition", record.condition_id)
    assert (task.results / commit["record"]["ref"]).is_file()
    assert commit["summary"] == record.summary


def test_the_manifest_names_every_artifact_by_hash(finished, tmp_path):
    task, _ = finished
    manifest = parse_manifest(task.paths.manifest.read_bytes(), "here")
    assert verify_artifacts(task.paths.root, manifest.artifacts) == []
    named = {artifact.path for artifact in manifest.artifacts}
    assert {"predictions.csv", "predictions.parquet"} < named
    assert sum(path.endswith(".jpg") for path in named) == 4 * PICTURES
    copy = shutil.copytree(task.paths.root, tmp_path / "copy")
    (copy / "predictions.csv").write_text("other")
    assert verify_artifacts(copy, manifest.artifacts) == ["changed: predictions.csv"]


def test_the_last_snapshot_says_done(finished):
    task, record = finished
    seen = read_progress(task.paths.progress)
    assert (seen.phase, seen.exit_code) == ("done", 0)
    assert seen.auroc.keys() == set(DOMAINS)
    assert seen.auroc["domain_A"] == record.val_image_AUROC


def test_a_second_call_returns_the_committed_record_and_does_nothing(finished, monkeypatch):
    task, record = finished
    monkeypatch.setattr("crossad.trainer.run.build", None)  # calling it would raise
    before = {path: path.stat().st_mtime_ns for path in task.results.rglob("*")}
    assert run_condition(task) == record
    assert {path: path.stat().st_mtime_ns for path in task.results.rglob("*")} == before


def test_logs_events_and_progress_are_there_while_it_fits(task, quick):
    mine, seen = task(), []

    def look(step: int) -> None:
        seen.append((step, read_progress(mine.paths.progress).phase, "Started: tiny" in mine.paths.log.read_text()))
        assert list(mine.paths.tensorboard.glob("events.out.tfevents.*"))

    quick.on_step = look
    run_condition(mine)
    assert seen == [(step, "fitting", True) for step in range(4)]
