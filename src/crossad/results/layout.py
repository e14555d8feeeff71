"""Where everything of a run lies: the only place that spells a path (spec: contracts, "Tree of a run")."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

SLUG_LENGTH = 80
_UNSAFE = re.compile(r"[^A-Za-z0-9_.+-]+")
STATE = ".crossad"  # inside a results folder: commits, failures, verdicts
ATTEMPTS, RUNS = "attempts", "runs"  # first parts of keys in a store


def slug(name: str) -> str:
    """A folder name for any text: unchanged where it is safe, else what is safe of it plus a hash of all of it."""
    safe = _UNSAFE.sub("-", name).strip("-.")[:SLUG_LENGTH]
    if safe == name and safe:
        return safe
    return f"{safe or 'condition'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def run_name(now: datetime) -> str:
    """The guide's session timestamp, YYYYMMDD_HHMMSS."""
    return now.strftime("%Y%m%d_%H%M%S")


def attempt_key(attempt: str, name: str) -> str:
    """An object that an attempt wrote into a bucket."""
    return f"{ATTEMPTS}/{attempt}/{name}"


def run_key(run: str, name: str) -> str:
    """An object of a run in a store, or with a "/" at its end what such keys begin with."""
    return f"{RUNS}/{run}/{name}"


def retries_key(run: str, condition_id: str) -> str:
    """What the keys of a condition's retries begin with; each retry is one object."""
    return run_key(run, f"retries/{condition_id}/")


@dataclass(frozen=True)
class RunPaths:
    """The files of one run, below `results/<run>/`."""

    results: Path
    run: str

    @property
    def root(self) -> Path:
        """The run's own folder."""
        return self.results / self.run

    @property
    def plan(self) -> Path:
        """What this run owes: conditions, ids, hashes."""
        return self.root / "plan.json"

    @property
    def log(self) -> Path:
        """Starts, ends, failures and every AUROC line of all conditions."""
        return self.root / f"multi_domain_{self.run}.log"

    @property
    def detail_log(self) -> Path:
        """Progress of all conditions."""
        return self.root / "training_detail.log"

    @property
    def tensorboard(self) -> Path:
        """Links to every condition's event files and records, so the guide's globs work as written."""
        return self.root / "tensorboard_logs"

    @property
    def report(self) -> Path:
        """index.html, summary.csv, summary.json, summary.md, figures."""
        return self.root / "report"

    def condition(self, name: str) -> ConditionPaths:
        """The files of one condition of this run."""
        return ConditionPaths(self.root / f"{slug(name)}_{self.run}", name)


@dataclass(frozen=True)
class ConditionPaths:
    """The files of one condition, below `results/<run>/<condition>_<run>/`."""

    root: Path
    name: str

    @property
    def log(self) -> Path:
        """Structured: one line a fact, AUROC lines greppable."""
        return self.root / f"multi_domain_{slug(self.name)}.log"

    @property
    def detail_log(self) -> Path:
        """Everything else, the live progress bar included."""
        return self.root / "training_detail.log"

    @property
    def progress(self) -> Path:
        """Where the trainer stands now (phase, step, ETA), rewritten whole; read by displays."""
        return self.root / "progress.json"

    @property
    def lock(self) -> Path:
        """Held (flock) by the one trainer that works in this folder."""
        return self.root / ".lock"

    @property
    def predictions(self) -> Path:
        """A row an image; the same rows lie beside it as .csv."""
        return self.root / "predictions.parquet"

    @property
    def tensorboard(self) -> Path:
        """Event files, the record, checkpoints and pictures, as the guide has them."""
        return self.root / "tensorboard_logs"

    def record(self, timestamp: str) -> Path:
        """The record of an attempt that ended at `timestamp` (YYYYMMDD_HHMMSS)."""
        return self.tensorboard / f"result_{timestamp}.json"

    def records(self) -> list[Path]:
        """All records written so far, oldest first."""
        return sorted(self.tensorboard.glob("result_*.json"))

    @property
    def checkpoints(self) -> Path:
        """Trained weights and resumable state, safetensors and JSON only."""
        return self.tensorboard / "checkpoints"

    def visualizations(self, role: str, domain: str) -> Path:
        """Pictures of one domain; `role` is "source" or "targets"."""
        return self.tensorboard / "visualizations" / role / slug(domain)

    @property
    def manifest(self) -> Path:
        """Every artifact with path, size and sha256."""
        return self.root / "manifest.json"
