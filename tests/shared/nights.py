"""One condition's night, for tests that disturb it: where its trainers run, and what must be true afterwards."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from breakpoints import Machine, Strike, ended, start
from bucketruns import fetched

from crossad.conditions.plan import plan_entry
from crossad.conditions.suite import parse_suite
from crossad.results.home import Home
from crossad.results.layout import RunPaths
from crossad.results.manifest import parse_manifest
from crossad.results.plan import Plan, PlanEntry, pin_plan
from crossad.results.steps import STEPS, Where, steps_of

RUN, NAME = "night", "tiny"
SOURCE, TARGETS = "domain_A", ["domain_B", "domain_C"]
COMMITS = {"training": 1, "evaluation": 3, "condition": 1}
DONE, INTERRUPTED = 0, 75
# when a step is disturbed that is taken several times: for the source and the last target, at an early and a late state
TIMES = {
    "log piece": (1, 4),
    "state": (1, 3),
    "pointer": (1, 3),
    "state removed": (1, 4),  # the older one, and the last one after the training's commit
    "evaluation table": (1, 3),
    "evaluation pictures": (1, 3),
    "evaluation commit": (1, 3),
    "evidence": (1, 2, 3),  # of the condition, the training, the first evaluation
    "commit withdrawn": (2,),
}
FAILING, DAMAGED = ("failure",), ("evidence", "commit withdrawn", "claim withdrawn")


def cases(*places: Where) -> list[tuple[str, int]]:
    """Every step that is taken in such places, with the times at which it is disturbed."""
    return [(step.name, time) for step in STEPS if step.where in places for time in TIMES.get(step.name, (1,))]


CONFIG = {
    "model_type": "draem",
    "source_domain": SOURCE,
    "target_domains": TARGETS,
    "image_size": [32, 96],
    "batch_size": 4,
    "max_epochs": 2,
    "max_visualizations": 1,
    "num_workers": 0,
}


@dataclass(frozen=True)
class Night:
    """One condition, its images and the machines that work on it."""

    folder: Path
    data: Path
    place: Machine  # machines are like this one, but for their working folders
    run: str = RUN

    def plan(self) -> None:
        """Pin the plan, as a submitter does."""
        suite = parse_suite("suite", json.dumps({"experiment_conditions": [{"name": NAME, "config": CONFIG}]}).encode())
        entries = tuple(PlanEntry.model_validate(plan_entry(condition, ())) for condition in suite.conditions)
        created = "2026-11-25T00:00:00+00:00"
        plan = Plan(run=self.run, suite="suite", created=created, data=str(self.data), conditions=entries)
        pin_plan(self.machine("submitter").home(), plan)

    def machine(self, name: str) -> Machine:
        """A machine of that name; a folder that is the store itself is on all of them."""
        alone = self.place.bucket is None and self.place.s3 is None
        return self.place if alone else replace(self.place, work=self.folder / name)

    def home(self) -> Home:
        return self.machine("reader").home()

    def start(self, name: str, strike: Strike | None = None) -> Any:
        """Start a trainer on a machine."""
        machine = self.machine(name)
        plan = RunPaths(self.machine("submitter").work, self.run).plan
        words = ("train", "--config", str(plan), "--experiment-id", NAME, "--run", self.run, "--gpu-id", "cpu",
                 "--checkpoint-seconds", "0", "--ship-seconds", "0.1", "--max-preemptions", "99")  # fmt: skip
        return start(machine, words, strike)

    def train(self, name: str, strike: Strike | None = None) -> int:
        """Run a trainer on a machine; its exit code."""
        return ended(self.start(name, strike))

    def written(self, name: str) -> list[tuple[str, str]]:
        """What the trainers of a machine wrote to the store: (verb, key), in order."""
        lines = self.machine(name).journal.read_text().splitlines()
        return [(verb, key) for verb, key in (line.split(" ", 1) for line in lines) if verb != "struck"]

    def struck(self, name: str) -> bool:
        return any(line.startswith("struck ") for line in self.machine(name).journal.read_text().splitlines())

    def said(self, name: str) -> str:
        path = self.machine(name).said
        return path.read_text() if path.exists() else ""

    def commits(self) -> dict[str, bytes]:
        store = self.home().state
        return {entry.key: store.get(entry.key) for entry in store.list("commits/")}

    def done(self) -> bool:
        return any(key.startswith("commits/condition-") for key in self.commits())

    def failed(self) -> bool:
        return next(self.home().state.list("failures/"), None) is not None

    def torn(self) -> list[str]:
        """What something in the store names, and what is not there byte for byte."""
        home = self.home()
        kinds = ("commits/", "checkpoints/") if self.done() else ("commits/", "checkpoints/", "failures/")
        keys = [entry.key for kind in kinds for entry in home.state.list(kind)]
        return [wrong for key in keys for wrong in _torn(home, key, json.loads(home.state.get(key)))]

    def doubled(self) -> list[str]:
        """Kinds of commits of which there is not the number that there has to be."""
        keys = list(self.commits())
        counts = {kind: sum(key.startswith(f"commits/{kind}-") for key in keys) for kind in COMMITS}
        return [f"{kind}: {counts[kind]}, not {wanted}" for kind, wanted in COMMITS.items() if counts[kind] != wanted]

    def fetched(self) -> dict[str, Any]:
        """What `crossad fetch` brings, as far as it must be equal however often the work was disturbed."""
        return fetched(self.home(), self.run, NAME, self.folder / "fetched")

    def damage_data(self) -> None:
        """Break an image of the last target; what it was lies beside the data."""
        shutil.copy2(self._image, self.folder / "whole")
        self._image.write_bytes(b"no image")

    def repair_data(self) -> None:
        """Bring back what was damaged, if anything was."""
        if self.damaged_data:
            shutil.copy2(self.folder / "whole", self._image)

    @property
    def damaged_data(self) -> bool:
        return (self.folder / "whole").exists()

    @property
    def _image(self) -> Path:
        return sorted((self.data / TARGETS[-1] / "test/fault").iterdir())[0]

    def lose_bytes(self) -> None:
        """Take away what finished attempts left, so that their commits name nothing."""
        store = self.home().state
        for entry in list(store.list("attempts/")):
            store.delete(entry.key)
        if not self.home().remote:
            for path in (*self.place.work.rglob("*.safetensors"), *self.place.work.rglob("*.parquet"),
                         *self.place.work.rglob("result_*.json")):  # fmt: skip
                path.unlink()


def covered(written: list[tuple[str, str]]) -> list[str]:
    """The names of the steps that were taken, in order.

    Raises:
        AssertionError: a write is no step of the list, or more than one.
    """
    names = []
    for verb, key in written:
        steps = steps_of(verb, key)  # type: ignore[arg-type]
        assert len(steps) == 1, f"{verb} {key}: {[step.name for step in steps] or 'no step of results/steps.py'}"
        names.append(steps[0].name)
    return names


def _torn(home: Home, by: str, value: object) -> Iterator[str]:
    """What a value names wrongly; a manifest that it names is followed."""
    for name, size, digest in _named(value):
        body = _bytes(home, name)
        if body is None:
            yield f"{by} names {name}, which is not there"
        elif (len(body), hashlib.sha256(body).hexdigest()) != (size, digest):
            yield f"{by} names {name}, which has other bytes"
        elif name.endswith("manifest.json"):
            manifest = parse_manifest(body, name).model_dump(mode="json", exclude_none=True)
            yield from _torn(home, name, _placed(manifest, name, home))


def _named(value: object) -> Iterator[tuple[str, int, str]]:
    """Every (key, bytes, sha256) in a JSON value."""
    if isinstance(value, dict):
        name = value.get("ref") or value.get("key")
        if name and "sha256" in value:
            yield name, value["bytes"], value["sha256"]
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)


def _placed(manifest: Mapping[str, Any], name: str, home: Home) -> Mapping[str, Any]:
    """In a folder a manifest's artifacts are called by their paths beside it."""
    if home.remote:
        return manifest
    folder = name.rpartition("/")[0]
    parts = [part | {"key": f"{folder}/{part['path']}"} for part in manifest["artifacts"]]
    return {**manifest, "artifacts": parts}


def _bytes(home: Home, name: str) -> bytes | None:
    if not home.remote:
        path = home.results / name
        return path.read_bytes() if path.is_file() else None
    return home.state.get(name) if home.state.stat(name) is not None else None
