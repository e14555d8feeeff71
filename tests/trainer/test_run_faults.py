"""What goes wrong in a condition: a reason, a next step, an exit code; a retry does only what is missing."""

from __future__ import annotations

import errno
import json
import shutil
import time
from dataclasses import replace
from threading import Thread

import pytest
import torch
from safetensors import SafetensorError

from crossad.errors import CrossadError, DataError, DeterministicError, EnvironmentFault, InterruptedRun, UsageError
from crossad.interrupt import Interrupt
from crossad.results.home import FolderHome
from crossad.results.progress import read_progress
from crossad.results.record import Record
from crossad.trainer import finish, training
from crossad.trainer.finish import exit_code
from crossad.trainer.folder import work_in
from crossad.trainer.run import run_condition


def take_away(data):
    shutil.move(data / "domain_C", data / "away")


def make_unreadable(data):
    (data / "domain_C/test/fault/000003.tiff").write_bytes(b"not an image")


def empty(data):
    for path in (data / "domain_C/test").rglob("*.tiff"):
        path.unlink()


DAMAGES = {
    "missing": (take_away, 66, "no such domain: domain_C"),
    "unreadable": (make_unreadable, 65, "000003.tiff"),
    "empty": (empty, 65, "no images"),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_target_that_cannot_be_scored_fails_alone_and_a_retry_scores_only_that(how, task, data, domains, quick):
    damage, code, reason = DAMAGES[how]
    damage(data)
    mine = task(data=data)
    record = run_condition(mine)
    assert (record.status, exit_code(record), record.n_targets) == ("partial", code, 2)
    failed = record.target_results["domain_C"]
    assert reason in failed.error.message
    assert failed.error.hint
    assert (failed.status, failed.test_image_AUROC) == ("failed", None)
    others = [record.target_results[name].test_image_AUROC for name in ("domain_B", "domain_D")]
    assert record.avg_target_auroc == sum(others) / 2
    assert f"Target domain_C failed: {failed.error.message}" in mine.paths.log.read_text()
    ledger = FolderHome(mine.results).ledger
    assert not ledger.commits("condition")
    assert ledger.failures(record.condition_id)[0]["failures"][0]["exit_code"] == code
    assert read_progress(mine.paths.progress).exit_code == code

    shutil.rmtree(data / "domain_C", ignore_errors=True)
    shutil.copytree(domains / "domain_C", data / "domain_C")
    steps, scored = len(quick.steps), quick.scored
    again = run_condition(mine)
    assert (again.status, again.n_targets) == ("success", 3)
    assert (len(quick.steps), quick.scored - scored) == (steps, 24)
    assert again.training_info.weights_sha256 == record.training_info.weights_sha256
    for name in ("domain_B", "domain_D"):
        assert again.target_results[name] == record.target_results[name]
    assert len(mine.paths.records()) == 2
    pictures = mine.paths.tensorboard / "visualizations"
    assert {path.name: len(list(path.iterdir())) for path in pictures.glob("*/*")} == dict.fromkeys(
        ["domain_A", "domain_B", "domain_C", "domain_D"], 4
    )
    assert (mine.paths.root / "superseded-1" / "predictions.parquet").is_file()


def test_a_target_of_one_class_has_no_auroc_but_a_reason(task, data, quick):
    shutil.rmtree(data / "domain_C/test/fault")
    (data / "domain_C/test/fault").mkdir()
    record = run_condition(task(data=data))
    found = record.target_results["domain_C"]
    assert (record.status, found.status, found.test_image_AUROC) == ("success", "ok", None)
    assert "one class only: 12 good, 0 fault" in found.undefined["test_image_AUROC"]
    assert found.threshold.fpr is not None
    assert record.n_targets == 2
    assert record.domain_gap["domain_C"] is None
    assert "Target domain_C AUROC: undefined (one class only: 12 good, 0 fault)" in record.summary


def test_without_faults_in_the_source_there_is_no_ratio_but_a_reason(task, data, quick):
    shutil.rmtree(data / "domain_A/test/fault")
    (data / "domain_A/test/fault").mkdir()
    record = run_condition(task(data=data))
    assert (record.status, record.val_image_AUROC, record.transfer_ratio) == ("success", None, None)
    assert "the source has no AUROC" in record.undefined["transfer_ratio"]
    assert record.avg_target_auroc is not None
    assert record.training_info.best_val_auroc is None


@pytest.mark.parametrize("split", ["train/good", "test/good"])
def test_an_unreadable_image_of_the_source_fails_the_condition(split, task, data, quick):
    (data / "domain_A" / split / "000004.tiff").write_bytes(b"II*\0cut short")
    mine = task(data=data)
    with pytest.raises(DataError, match=r"000004\.tiff"):
        run_condition(mine)
    record = Record.model_validate_json(mine.paths.records()[-1].read_bytes())
    assert (record.status, record.error.exit_code, record.error.step) == ("failed", 65, "fit")
    assert record.target_results == {}


def test_no_normal_image_to_fit_on_is_said_so(task, data, quick):
    shutil.move(data / "domain_A/train/good", data / "domain_A/train/fault")
    with pytest.raises(DataError, match="no normal images"):
        run_condition(task(data=data))


def test_a_loss_that_is_not_finite_names_the_learning_rate(task, quick, monkeypatch):
    def explode(step):
        if step == 2:
            monkeypatch.setattr(torch, "randn", lambda *_, **__: torch.tensor([float("nan")]))

    quick.on_step = explode
    mine = task()
    with pytest.raises(DeterministicError, match="loss became nan at step") as caught:
        run_condition(mine)
    assert "config.learning_rate" in caught.value.hint
    record = Record.model_validate_json(mine.paths.records()[-1].read_bytes())
    assert (record.status, record.error.exit_code) == ("failed", 70)
    assert "config.learning_rate" in mine.paths.log.read_text()
    assert read_progress(mine.paths.progress).phase == "failed"


NO_MEMORY = {
    "cuda": torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore"),
    "cublas": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "numpy": MemoryError("Unable to allocate 80 GiB"),
    "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
}


@pytest.mark.parametrize("kind", NO_MEMORY)
@pytest.mark.parametrize("moment", ["on_step", "on_score"])
def test_out_of_memory_is_70_and_names_the_batch_size(kind, moment, task, quick):
    def refuse(_):
        raise NO_MEMORY[kind]

    setattr(quick, moment, refuse)
    mine = task()
    with pytest.raises(DeterministicError, match="ran out of memory") as caught:
        run_condition(mine)
    assert "config.batch_size" in caught.value.hint
    record = Record.model_validate_json(mine.paths.records()[-1].read_bytes())
    assert (record.error.exit_code, record.error.kind) == (70, "DeterministicError")


def test_out_of_memory_in_patchcore_names_the_coreset_ratio(task, quick):
    def refuse(_):
        raise NO_MEMORY["cuda"]

    quick.on_score = refuse
    patchcore = {"model_type": "patchcore", "backbone": "resnet18", "max_epochs": 1, "pre_trained": False}
    mine = task(**patchcore)
    with pytest.raises(DeterministicError) as caught, pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "fit", None)  # never reached: the quick model is no memory bank
        patch.setattr("crossad.trainer.weights.fit", lambda *_: refuse(0))
        run_condition(mine)
    assert "config.coreset_sampling_ratio" in caught.value.hint


def test_a_full_disk_while_the_record_is_written_is_told_all_the_same(task, quick, monkeypatch, capsys):
    def full(path, *_):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(finish, "write_json", full)
    mine = task(place={"echo": True})
    with pytest.raises(EnvironmentFault, match="the disk is full") as caught:
        run_condition(mine)
    assert "the same command continues" in caught.value.hint
    assert caught.value.exit_code == 78
    assert "Failed: tiny at finish: the disk is full" in capsys.readouterr().err
    monkeypatch.undo()


def test_a_full_disk_while_weights_are_saved_is_no_crash(task, quick, monkeypatch):
    """safetensors has an error of its own for what the system says."""

    def full(*_, **__):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("crossad.trainer.checkpoint.save_file", full)
    mine = task()
    with pytest.raises(EnvironmentFault, match="the disk is full"):
        run_condition(mine)
    monkeypatch.undo()
    record = Record.model_validate_json(mine.paths.records()[-1].read_bytes())
    assert (record.status, record.error.step) == ("failed", "fit")


def test_what_nobody_foresaw_leaves_a_record_and_a_traceback_in_the_detail_log(task, quick):
    def break_(_):
        raise KeyError("surprise")

    quick.on_step = break_
    mine = task()
    with pytest.raises(KeyError, match="surprise"):
        run_condition(mine)
    record = Record.model_validate_json(mine.paths.records()[-1].read_bytes())
    assert (record.error.kind, record.error.exit_code) == ("crash", 1)
    assert "Traceback" in mine.paths.detail_log.read_text()
    assert read_progress(mine.paths.progress).phase == "failed"
    assert FolderHome(mine.results).ledger.failed_conditions() == {record.condition_id}


def test_a_gpu_that_is_not_there_is_78_and_nothing_runs_on_the_cpu_instead(task, quick):
    mine = task(place={"gpu_id": "64"})
    with pytest.raises(EnvironmentFault, match="GPU 64 was asked for") as caught:
        run_condition(mine)
    assert caught.value.exit_code == 78
    assert quick.steps == []


def test_a_second_trainer_in_one_folder_waits_and_takes_what_the_first_committed(task, quick, capfd):
    mine = task()
    first, second = replace(mine, echo=False), replace(mine, interrupt=Interrupt(), echo=True)
    told = []
    quick.on_step = lambda step: step == 1 and (rival.start(), waiting(capfd, told))
    rival = Thread(target=lambda: told.append(run_condition(second)))

    record = run_condition(first)
    rival.join(60)

    assert "waiting for its end" in told[0]
    assert told[1].attempt == record.attempt
    assert len(mine.paths.records()) == 1
    assert mine.paths.predictions.exists()


def waiting(capfd, told):
    """Until the other trainer says that it waits."""
    said = ""
    while "waiting" not in said:
        said += capfd.readouterr().err
        time.sleep(0.01)
    told.append(said)


def test_a_trainer_that_waits_for_another_obeys_a_stop(task, quick):
    mine = task()
    mine.interrupt.request()
    with work_in(mine.paths, Interrupt(), echo=False), pytest.raises(InterruptedRun, match="another trainer worked"):
        run_condition(mine)
    assert mine.paths.records() == []


@pytest.mark.parametrize("name", ["../outside", "", "a/b", ".."])
def test_a_run_name_cannot_leave_the_results_folder(name, task):
    with pytest.raises(UsageError, match="--run"):
        task(place={"run": name})


def test_a_failure_is_recorded_under_the_condition_with_its_step(task, quick):
    def refuse(_):
        raise CrossadError("no", hint="yes")

    quick.on_step = refuse
    mine = task()
    with pytest.raises(CrossadError):
        run_condition(mine)
    record = json.loads(mine.paths.records()[-1].read_bytes())
    (kept,) = FolderHome(mine.results).ledger.failures(record["condition_id"])
    assert kept["failures"][0] == record["error"]
    assert record["error"]["step"] == "fit"
