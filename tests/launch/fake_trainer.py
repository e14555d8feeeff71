"""Obeys the trainer's command line and leaves its tree, without torch.

The first word of the condition's name says how it behaves: ok, meet (ok once another one has begun), sleep (until
SIGTERM, then 75), deaf (ignores SIGTERM), exitNN, flaky (crashes once), crash, kill9, lost (0 without a commit),
partial (65 with a record).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from crossad.files import write_json
from crossad.results.home import BucketHome, FolderHome, Home
from crossad.results.layout import ConditionPaths, RunPaths
from crossad.results.plan import PlanEntry, load_plan
from crossad.results.progress import Phase, Progress, write_progress
from crossad.results.record import DomainResult, Failure, Record
from crossad.store.folder import FolderStore

AUROC = 0.75


def main() -> int:
    parser = argparse.ArgumentParser()
    for option in ("config", "experiment-id", "run", "results-dir", "data", "gpu-id", "weights", "store"):
        parser.add_argument(f"--{option}")
    arguments = parser.parse_args()
    paths = RunPaths(Path(arguments.results_dir), arguments.run)
    plan = load_plan(paths)
    entry = next(one for one in plan.conditions if str(one.experiment_id) == arguments.experiment_id)
    trace = paths.results / "trace.log"  # who ran where and when, for the tests
    note(trace, f"begin {entry.name} {arguments.gpu_id} {os.getpid()} {os.environ.get('OMP_NUM_THREADS', '-')}")
    home = (
        BucketHome(FolderStore(Path(arguments.store)), paths.results) if arguments.store else FolderHome(paths.results)
    )
    code = Fake(paths, entry, home).behave(entry.name.split("-", maxsplit=1)[0])
    note(trace, f"end {entry.name} {arguments.gpu_id}")
    return code


def note(path: Path, text: str) -> None:
    with path.open("a") as handle:
        handle.write(f"{text}\n")


class Fake:
    def __init__(self, paths: RunPaths, entry: PlanEntry, home: Home) -> None:
        self.home = home
        self.results, self.run, self.entry = paths.results, paths.run, entry
        self.paths: ConditionPaths = paths.condition(entry.name)
        self.paths.tensorboard.mkdir(parents=True, exist_ok=True)
        self.started = time.time()

    def behave(self, kind: str) -> int:
        sys.stdout.write(f"fake trainer: {kind}\n")
        if kind.startswith("exit"):
            code = int(kind.removeprefix("exit"))
            self.record("failed", Failure(kind="x", message="on purpose", hint="do better", exit_code=code))
            return code
        return {
            "ok": self.ok,
            "meet": self.meet,
            "sleep": self.sleep,
            "deaf": self.deaf,
            "flaky": self.flaky,
            "crash": self.crash,
            "kill9": self.kill9,
            "lost": lambda: 0,
            "partial": self.partial,
        }[kind]()

    def progress(self, phase: Phase, exit_code: int | None = None) -> None:
        now = time.time()
        snapshot = Progress(
            phase=phase,
            done=1,
            total=4,
            unit="step",
            started=self.started,
            updated=now,
            eta_seconds=3.0,
            pid=os.getpid(),
            exit_code=exit_code,
            auroc={"domain_A": AUROC, "domain_B": None},
        )
        write_progress(self.paths.progress, snapshot)

    def log(self, text: str) -> None:
        note(self.paths.log, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} | INFO | {text}")

    def ok(self) -> int:
        self.progress("fitting")
        self.log("epoch 0 loss 0.3")
        self.log(f"Target domain_B AUROC: {AUROC:.4f}")
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0.2")))
        record = self.record("success")
        payload = {"run": self.run, "record": self.home.keep(record, "attempts/x/record.json").model_dump()}
        self.home.ledger.commit("condition", self.entry.condition_id, payload)
        self.progress("done", 0)
        return 0

    def meet(self) -> int:
        """Done once another trainer has begun, so that two are seen to work at once on however slow a machine."""
        deadline = time.monotonic() + 120
        while (self.results / "trace.log").read_text().count("begin ") < 2:
            if time.monotonic() > deadline:
                return 1
            time.sleep(0.02)
        return self.ok()

    def record(self, status: str, error: Failure | None = None) -> Path:
        now = datetime.now(UTC)
        path = self.paths.record(now.strftime("%Y%m%d_%H%M%S"))
        record = Record(
            condition={"name": self.entry.name, "config": self.entry.config},
            condition_id=self.entry.condition_id,
            training_key=self.entry.training_key,
            run=self.run,
            attempt="fake",
            status=status,  # type: ignore[arg-type]
            timestamp=now.isoformat(),
            target_results={"domain_B": DomainResult(status="ok", test_image_AUROC=AUROC)},
            error=error,
            summary=[f"Target domain_B AUROC: {AUROC:.4f}"],
        )
        write_json(path, record.model_dump(mode="json"))
        return path

    def partial(self) -> int:
        record = Record.model_validate_json(self.record("partial").read_bytes())
        missing = Failure(kind="DataError", message="no images", hint="add some", exit_code=65)
        results = {**record.target_results, "domain_C": DomainResult(status="failed", error=missing)}
        record = record.model_copy(update={"target_results": results})
        write_json(self.paths.records()[-1], record.model_dump(mode="json"))
        return 65

    def sleep(self) -> int:
        def stop(number: int, frame: FrameType | None) -> None:
            self.progress("interrupted", 75)
            sys.exit(75)

        signal.signal(signal.SIGTERM, stop)
        self.progress("fitting")
        time.sleep(600)
        return 1

    def deaf(self) -> int:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.progress("fitting")
        time.sleep(600)
        return 1

    def flaky(self) -> int:
        been = self.paths.root / "been"
        if been.exists():
            return self.ok()
        been.touch()
        return self.crash()

    def crash(self) -> int:
        raise RuntimeError("a wire is loose")

    def kill9(self) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0


if __name__ == "__main__":
    sys.exit(main())
