"""The same work is done once: shared trainings, repaired results, interrupted fits, other data, other precision."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from crossad.data.lock import write_lock
from crossad.errors import InterruptedRun
from crossad.interrupt import Interrupt
from crossad.results.home import FolderHome
from crossad.results.progress import read_progress
from crossad.trainer.run import run_condition


def test_conditions_with_one_training_train_once(task, quick):
    first = run_condition(task(name="to B", target_domains=["domain_B"]))
    mine = task(name="to BC", target_domains=["domain_B", "domain_C"])
    steps, scored = len(quick.steps), quick.scored
    second = run_condition(mine)
    assert (len(quick.steps), quick.scored - scored) == (steps, 24)  # domain_C only
    assert second.condition_id != first.condition_id
    assert second.training_key == first.training_key
    assert second.best_checkpoint == first.best_checkpoint
    assert second.training_info.shared_with == first.attempt
    assert first.training_info.shared_with is None
    assert second.source_results == first.source_results
    assert second.target_results["domain_B"] == first.target_results["domain_B"]
    pictures = mine.paths.tensorboard / "visualizations"
    assert sorted(path.name for path in pictures.glob("*/*")) == ["domain_A", "domain_B", "domain_C"]
    assert all(len(list(path.iterdir())) == 4 for path in pictures.glob("*/*"))


def test_another_seed_is_another_training(task, quick):
    first = run_condition(task(name="one", seed=1))
    second = run_condition(task(name="two", seed=2))
    assert first.training_info.weights_sha256 != second.training_info.weights_sha256
    assert first.training_key != second.training_key
    assert len(quick.steps) == 8


def test_the_same_seed_gives_the_same_weights_in_another_results_folder(task, quick, tmp_path):
    first = run_condition(task())
    second = run_condition(replace(task(), results=tmp_path / "elsewhere"))
    assert len(quick.steps) == 8
    assert second.training_info.weights_sha256 == first.training_info.weights_sha256
    assert second.source_results.test_image_AUROC == first.source_results.test_image_AUROC
    assert [line for line in second.summary if "AUROC" in line] == first.summary


def test_without_targets_the_hold_out_chooses_and_sets_the_threshold(task, quick):
    record = run_condition(task(target_domains=None))
    assert (record.validation, record.selection) == ("holdout", "selected on hold-out (bands_v1)")
    assert (record.n_targets, record.avg_target_auroc, record.target_results) == (0, None, {})
    assert record.undefined["avg_target_auroc"] == "no target was scored"
    assert record.val_image_AUROC is not None
    assert not record.source_results.threshold.by_construction
    assert record.training_info.training_images == 11


def test_the_hold_out_ratio_decides_how_many_images_are_fitted(task, quick):
    record = run_condition(task(validation="holdout", val_split_ratio=0.5))
    assert record.training_info.training_images == 6
    assert record.n_targets == 3


def stopped_at(step, task, quick):
    interrupt = Interrupt()
    quick.on_step = lambda now: interrupt.request() if now == step else None
    with pytest.raises(InterruptedRun):
        run_condition(replace(task, interrupt=interrupt))
    quick.on_step = lambda _: None


@pytest.mark.parametrize("step", range(4))
def test_a_fit_stopped_at_any_step_goes_on_to_the_same_weights(step, task, quick, tmp_path):
    undisturbed = run_condition(replace(task(), results=tmp_path / "elsewhere"))
    quick.steps.clear()
    mine = task()
    stopped_at(step, mine, quick)
    assert quick.steps == list(range(step + 1))
    assert read_progress(mine.paths.progress).phase == "interrupted"
    assert not mine.paths.records()
    record = run_condition(mine)
    assert quick.steps == list(range(4))
    assert record.training_info.resumed_from_step == step + 1
    assert f"resumed from step {step + 1}" in record.deviations
    assert record.training_info.weights_sha256 == undisturbed.training_info.weights_sha256
    assert record.training_info.curve == undisturbed.training_info.curve
    assert record.summary == undisturbed.summary


def test_a_stop_while_scoring_keeps_the_finished_evaluations(task, quick):
    interrupt = Interrupt()
    mine = replace(task(), interrupt=interrupt)
    during_fit = 2 * 24  # two epochs, each validated on the source's test split

    def stop_in_domain_c(scored):
        if scored > during_fit + 2 * 24:
            interrupt.request()

    quick.on_score = stop_in_domain_c
    with pytest.raises(InterruptedRun):
        run_condition(mine)
    assert len(FolderHome(mine.results).ledger.commits("evaluation")) == 2
    assert "Interrupted: tiny at score domain_C" in mine.paths.log.read_text()
    quick.on_score = lambda _: None
    scored = quick.scored
    record = run_condition(replace(mine, interrupt=Interrupt()))
    assert record.status == "success"
    assert quick.scored - scored == 2 * 24  # domain_C again, and domain_D


def test_an_error_after_a_stop_was_asked_for_is_the_stops(task, quick):
    interrupt = Interrupt()

    def break_(_):
        interrupt.request()
        raise OSError("the folder was unmounted")

    quick.on_step = break_
    mine = replace(task(), interrupt=interrupt)
    with pytest.raises(OSError, match="unmounted"):
        run_condition(mine)
    assert read_progress(mine.paths.progress).phase == "interrupted"
    assert not mine.paths.records()


def test_a_fit_is_not_continued_on_other_images(task, data, quick):
    mine = task(data=data)
    stopped_at(2, mine, quick)
    (data / "domain_A/train/good/000000.tiff").unlink()
    quick.steps.clear()
    record = run_condition(mine)
    assert quick.steps == list(range(4))
    assert record.training_info.resumed_from_step is None


def test_under_another_data_lock_everything_that_read_the_data_is_done_again(task, data, quick):
    write_lock(data)
    mine = task(data=data)
    first = run_condition(mine)
    (data / "domain_C/test/good/000000.tiff").unlink()
    write_lock(data)
    steps, scored = len(quick.steps), quick.scored
    second = run_condition(mine)
    assert (len(quick.steps), quick.scored - scored) == (steps, 23)  # the target's evaluation only
    assert second.target_results["domain_C"].counts == {"good": 11, "fault": 12}
    assert second.provenance.data_lock != first.provenance.data_lock
    (data / "domain_A/train/good/000000.tiff").unlink()
    write_lock(data)
    third = run_condition(mine)
    assert third.training_info.training_images == 11
    assert (mine.results / first.best_checkpoint).is_file()  # of the older data, not overwritten
    assert third.best_checkpoint != first.best_checkpoint


def remove_record(mine, record):
    mine.paths.records()[-1].unlink()


def change_record(mine, record):
    mine.paths.records()[-1].write_text("{}")


def change_weights(mine, record):
    (mine.results / record.best_checkpoint).write_bytes(b"cut short")
    remove_record(mine, record)


def change_table(mine, record):
    for table in (mine.results / ".crossad" / "evaluations").rglob("*.parquet"):
        table.write_bytes(b"cut short")
    remove_record(mine, record)


DAMAGES = {  # -> steps and images of the repair; a fit validates on 24 images after each of two epochs
    "record gone": (remove_record, 0, 0),
    "record changed": (change_record, 0, 0),
    "weights changed": (change_weights, 4, 48),
    "tables changed": (change_table, 0, 96),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_what_is_gone_or_changed_is_made_again_and_nothing_else(how, task, quick):
    damage, steps, images = DAMAGES[how]
    mine = task()
    first = run_condition(mine)
    damage(mine, first)
    before = len(quick.steps), quick.scored
    second = run_condition(mine)
    assert (len(quick.steps) - before[0], quick.scored - before[1]) == (steps, images)
    assert second.summary == first.summary
    assert second.training_info.weights_sha256 == first.training_info.weights_sha256
    assert list((mine.results / ".crossad" / "withdrawn").iterdir())


def test_another_precision_is_other_work_and_says_so(task, quick):
    plain = run_condition(task())
    half = run_condition(task(name="half", place={"precision": "bf16-mixed"}))
    assert half.condition_id != plain.condition_id
    assert half.training_key != plain.training_key
    assert "precision bf16-mixed" in half.deviations
    assert len(quick.steps) == 8


def test_a_repeat_is_other_work(task, quick):
    first, second = run_condition(task()), run_condition(task(name="again", place={"repeat": 2}))
    assert second.condition_id == f"{first.condition_id}r2"
    assert second.training_info.weights_sha256 == first.training_info.weights_sha256
    assert len(quick.steps) == 8


@pytest.mark.parametrize(("limit", "pictures"), [(0, 0), (-1, 24), (3, 3)])
def test_max_visualizations_is_the_number_of_pictures_a_domain(limit, pictures, task, quick):
    mine = task(max_visualizations=limit)
    run_condition(mine)
    folder = mine.paths.tensorboard / "visualizations"
    for place in ("source/domain_A", "targets/domain_B", "targets/domain_C", "targets/domain_D"):
        assert len(list((folder / place).glob("*.jpg"))) == pictures


def test_results_can_be_moved(task, quick, tmp_path):
    """Commits name files relative to the results folder."""
    mine = task()
    first = run_condition(mine)
    shutil.move(mine.results, tmp_path / "moved")
    steps = len(quick.steps)
    assert run_condition(replace(mine, results=tmp_path / "moved")) == first
    assert len(quick.steps) == steps
