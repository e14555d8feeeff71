"""A condition whose results live in a bucket: the same as in a folder, from any machine, through any ending."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest
from bucketruns import KINDS, keys, log_of, manifest_of

from crossad.errors import DataError, InterruptedRun
from crossad.results.record import Record
from crossad.store.faults import StoreUnreachable
from crossad.trainer import run, weights


@pytest.mark.parametrize("place", ["versitygw", "moto", "pretender"], indirect=True)
def test_a_bucket_holds_what_a_folder_would(task, on, store, quick):
    local = run.run_condition(task())
    record = run.run_condition(on("pod"))
    assert record.stable() == local.stable()
    assert [len(keys(store, kind)) for kind in KINDS] == [1, 4, 1]
    manifest = manifest_of(store, record)
    visible = {path.relative_to(task().paths.root).as_posix() for path in task().paths.root.rglob("*.*")}
    named = {artifact.path for artifact in manifest.artifacts} | {log.path for log in manifest.logs}
    pictures = {path for path in visible if path.endswith(".jpg")}
    assert {path for path in named if "events" not in path and "result_" not in path} == {
        path
        for path in visible - pictures
        if not any(word in path for word in ("events", "result_", "manifest", "progress.json", ".lock"))
    }
    assert {archive.path for archive in manifest.archives} == {str(Path(path).parent) for path in pictures}
    for part in (*manifest.artifacts, *manifest.archives):
        body = store.get(part.key)
        assert (len(body), hashlib.sha256(body).hexdigest()) == (part.bytes, part.sha256)
    assert "Finished: tiny" in log_of(store, manifest)
    assert keys(store, "checkpoints/") == []


def test_what_is_committed_is_not_done_again_on_another_machine(on, store, quick):
    first = run.run_condition(on("one"))
    before, steps = keys(store), len(quick.steps)
    again = run.run_condition(on("two"))
    assert again == first
    assert (keys(store), len(quick.steps)) == (before, steps)


def test_another_machine_continues_from_the_checkpoint_and_ends_with_the_same_weights(task, on, store, quick):
    undisturbed = run.run_condition(task())
    first = on("one")
    quick.on_step = lambda step: first.interrupt.request() if step == 2 else None
    with pytest.raises(InterruptedRun):
        run.run_condition(first)
    (pointer,) = keys(store, "checkpoints/")
    quick.on_step = lambda step: None
    quick.steps.clear()
    second = on("two")
    record = run.run_condition(second)
    assert quick.steps == [3]
    assert record.training_info.resumed_from_step == 3
    assert record.stable() == undisturbed.stable()
    manifest = manifest_of(store, record)
    (parent,) = manifest.parents
    assert pointer.endswith(f"/{parent}.json")
    log = log_of(store, manifest)
    assert log.index("Started: tiny") < log.index("Interrupted") < log.rindex("Started: tiny") < log.index("Finished")


def test_the_last_words_of_an_attempt_are_joined_even_where_its_state_was_sent_before_them(on, store, quick):
    first = on("one", where={"ship_seconds": 0.01, "checkpoint_seconds": 0.0})

    def stop_once_sent(step):
        if step == 2:
            until = time.monotonic() + 60
            while [json.loads(store.get(key))["step"] for key in keys(store, "checkpoints/")] != [step]:
                assert time.monotonic() < until
                time.sleep(0.01)
            raise InterruptedRun("between two safe points")

    quick.on_step = stop_once_sent
    with pytest.raises(InterruptedRun):
        run.run_condition(first)
    quick.on_step = lambda step: None
    log = log_of(store, manifest_of(store, run.run_condition(on("two"))))
    assert log.index("Started: tiny") < log.index("Interrupted") < log.rindex("Started: tiny") < log.index("Finished")


def test_a_damaged_checkpoint_gives_way_to_an_older_one(on, store, quick):
    for name, stop in (("one", 1), ("two", 2)):
        mine = on(name)
        quick.on_step = lambda step, mine=mine, stop=stop: mine.interrupt.request() if step == stop else None
        with pytest.raises(InterruptedRun):
            run.run_condition(mine)
    newest = max(keys(store, "attempts/"), key=lambda key: key.rpartition("step-")[2] if "step-" in key else "")
    store.put(newest, b"damaged")
    quick.on_step = lambda step: None
    quick.steps.clear()
    record = run.run_condition(on("three"))
    assert record.training_info.resumed_from_step == 2
    assert quick.steps == [2, 3]


def test_two_conditions_of_one_training_train_once(on, store, quick):
    first = run.run_condition(on("one", target_domains=["domain_B"]))
    steps = len(quick.steps)
    second = run.run_condition(on("two", target_domains=["domain_C"]))
    assert len(quick.steps) == steps
    assert second.training_info.weights_sha256 == first.training_info.weights_sha256
    assert second.training_info.shared_with == first.attempt
    weights = next(one for one in manifest_of(store, second).artifacts if "weights-" in one.path)
    assert weights.key.startswith(f"attempts/{first.attempt}/")
    assert [len(keys(store, kind)) for kind in KINDS] == [1, 3, 2]


def test_a_failed_target_is_reached_through_its_failure_and_a_repair_scores_only_that(on, store, quick, data):
    broken = sorted((data / "domain_C/test/fault").iterdir())[0]
    whole = broken.read_bytes()
    broken.write_bytes(b"not an image")
    partial = run.run_condition(on("one", data=data))
    assert partial.status == "partial"
    (failure,) = keys(store, "failures/")
    assert failure == f"failures/{partial.condition_id}/{partial.attempt}.json"
    assert keys(store, "commits/condition-") == []
    scored, steps = quick.scored, len(quick.steps)
    broken.write_bytes(whole)
    record = run.run_condition(on("two", data=data))
    assert record.status == "success"
    assert len(quick.steps) == steps
    assert quick.scored - scored == 24


def test_an_attempt_that_loses_to_another_ends_well_with_the_winner_s_numbers(on, store, quick, monkeypatch):
    """While one attempt trains, another with other weights (another device's bits) does all of it."""
    done: list[Record] = []

    def overtake(step: int) -> None:
        if step == 3 and not done:
            done.append(None)  # type: ignore[arg-type]
            real = weights.fit

            def other(detector, *arguments):
                info, _ = real(detector, *arguments)
                detector.gain.data.mul_(2)
                digest = run_state_hash(detector)
                return info.model_copy(update={"weights_sha256": digest}), lambda path: save_doubled(detector, path)

            monkeypatch.setattr(weights, "fit", other)
            done[0] = run.run_condition(on("winner"))
            monkeypatch.setattr(weights, "fit", real)

    def run_state_hash(detector) -> str:
        from crossad.trainer.checkpoint import state_hash

        return state_hash(detector.trained_state())

    def save_doubled(detector, path) -> None:
        from crossad.trainer.checkpoint import save_state

        save_state(path, detector.trained_state(), {"kind": "weights"})

    quick.on_step = overtake
    loser = run.run_condition(on("loser"))
    (winner,) = done
    assert [len(keys(store, kind)) for kind in KINDS] == [1, 4, 1]
    assert manifest_of(store, winner).attempt == winner.attempt != loser.attempt
    assert loser.training_info.weights_sha256 == winner.training_info.weights_sha256
    assert loser.status == "success"
    assert {name: one.test_image_AUROC for name, one in loser.target_results.items()} == {
        name: one.test_image_AUROC for name, one in winner.target_results.items()
    }


def test_a_store_that_goes_away_is_no_failure_of_the_condition(on, place, proxy, store, quick):
    from s3servers import QUICK

    patient = place.behind(proxy, **{**QUICK, "patience_seconds": 0.0, "attempts": 1})
    mine = on("pod", bucket=patient, where={"ship_seconds": 60})
    away = proxy.add("refuse", "PUT", "commits/evaluation", times=10**6)
    with pytest.raises(StoreUnreachable) as found:
        run.run_condition(mine)
    assert found.value.exit_code == 75
    assert keys(store, "failures/") == []
    away.times = 0
    steps = len(quick.steps)
    assert run.run_condition(mine).status == "success"
    assert len(quick.steps) == steps


def test_a_commit_whose_bytes_are_gone_is_set_aside_and_done_again(on, store, quick):
    first = run.run_condition(on("one"))
    for key in keys(store, f"attempts/{first.attempt}/"):
        store.delete(key)
    again = run.run_condition(on("two"))
    assert again.stable() == first.stable()
    assert again.attempt != first.attempt
    assert len(keys(store, "withdrawn/")) == 6


def test_a_foreign_picture_archive_is_refused(tmp_path):
    import zipfile

    from crossad.results.pictures import unpack_pictures

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("../escaped.jpg", b"x")
    with pytest.raises(DataError, match="escaped"):
        unpack_pictures(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "escaped.jpg").exists()
