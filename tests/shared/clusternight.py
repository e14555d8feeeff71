"""A run whose Jobs are on a real control plane, and the verbs that operate it as a user types them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from clusterjobs import ending
from plane import Plane

from crossad.cli import cli
from crossad.kube.resources import JOBS
from crossad.manifests.job import groups, trainer_job
from crossad.manifests.load import parse_settings
from crossad.manifests.settings import Settings
from crossad.results.home import FolderHome, Home, open_home
from crossad.results.plan import Plan, PlanEntry, pin_plan
from crossad.store.options import S3Options

PATIENCE = 60.0  # seconds of a busy machine until a cluster has done what it was asked for
DIGEST = "sha256:" + "0" * 64
SETTINGS: dict[str, Any] = {
    "images": {"trainer": f"reg.invalid/trainer@{DIGEST}", "controller": f"reg.invalid/slim@{DIGEST}"},
    "store": {"uri": "s3://bucket/prefix"},
    "data": {"uri": "s3://bucket/data"},
    "resources": {"cpu": "1", "memory": "1Gi", "ephemeralStorage": "1Gi"},
    "placement": {"nodeSelector": {"gpu": "fake"}},
}


def entry(index: int, name: str, training: str = "") -> PlanEntry:
    """A condition; those with the same `training` share a Job."""
    return PlanEntry(
        experiment_id=index,
        name=name,
        config={"model_type": "draem", "source_domain": "domain_A"},
        condition_id=f"c-{name}",
        training_key=training or f"t-{name}",
    )


@dataclass
class Night:
    """One run in one namespace; its store is a folder, unless it is told to live in a bucket."""

    plane: Plane
    namespace: str
    results: Path
    plan: Plan
    home: Home = field(init=False)
    store: Sequence[str] = ()  # options that name a bucket, instead of the folder

    def __post_init__(self) -> None:
        self.home = FolderHome(self.results)
        self.kubeconfig = self.plane.kubeconfig(namespace=self.namespace)

    def live_in(self, uri: str, **options: str | float) -> None:
        """Have the run in a bucket."""
        self.home = open_home(uri, self.results, S3Options.of(options))
        pairs = (f"{name}={value}" for name, value in options.items())
        self.store = ["--store", uri, *(word for pair in pairs for word in ("--store-option", pair))]
        self.pin()

    def pin(self) -> None:
        """Make the plan durable, as a submission does."""
        pin_plan(self.home, self.plan)

    def settings(self, how: Mapping[str, str] | None = None, **changes: Any) -> Settings:
        """Settings under which pods end as told; `changes` replace parts of them."""
        overlay = {"metadata": {"annotations": dict(how or ending("runs"))}, "spec": changes.pop("spec", {})}
        value = {**SETTINGS, "namespace": self.namespace, "podOverlay": overlay, **changes}
        return parse_settings("settings", json.dumps(value))

    def settings_file(self, how: Mapping[str, str] | None = None) -> Path:
        """The same as a file, for an option."""
        overlay = {"metadata": {"annotations": dict(how or ending("runs"))}}
        path = self.results.parent / "settings.json"
        path.write_text(json.dumps({**SETTINGS, "namespace": self.namespace, "podOverlay": overlay}))
        return path

    def jobs(self, *names: str, settings: Settings | None = None, generation: int = 1) -> list[dict[str, Any]]:
        """The Jobs of some conditions (all where none is named), not created yet."""
        chosen = [one for one in self.plan.conditions if not names or one.name in names]
        made = settings or self.settings()
        return [trainer_job(self.plan, group, made, generation) for group in groups(chosen)]

    def apply(self, *names: str, settings: Settings | None = None, generation: int = 1) -> list[str]:
        """Create them; their names."""
        made = self.jobs(*names, settings=settings, generation=generation)
        for job in made:
            self.plane.request("POST", JOBS.path(self.namespace), job)
        return [str(job["metadata"]["name"]) for job in made]

    def there(self, labels: str = "") -> list[str]:
        """The names of the Jobs that are there and not on their way out."""
        query = f"?labelSelector={labels}" if labels else ""
        found = self.plane.request("GET", f"{JOBS.path(self.namespace)}{query}")["items"]
        return sorted(job["metadata"]["name"] for job in found if "deletionTimestamp" not in job["metadata"])

    def gone(self, name: str) -> None:
        """Wait until a Job is gone."""
        self.plane.until(JOBS.path(self.namespace, name), lambda found: found is None, f"{name} is gone")

    def type(self, verb: str, *words: str, cluster: bool = True, store: bool = True) -> Result:
        """Type a verb; what it answers."""
        where = ["--kubeconfig", str(self.kubeconfig)] if cluster else []
        where += [*self.store, "--results-dir", str(self.results)] if store else []
        return CliRunner().invoke(cli, [verb, *words, *where])

    def facts(self, verb: str = "status", *words: str) -> Any:
        """What a verb says to machines."""
        done = self.type(verb, self.plan.run, *words, "--json")
        assert done.exit_code == 0, done.output + repr(done.exception)
        return json.loads(done.stdout)

    def row(self, name: str) -> dict[str, Any]:
        """One condition, as `status` has it."""
        found: dict[str, Any] = next(row for row in self.facts()["conditions"] if row["name"] == name)
        return found

    def until(self, what: str, look: Callable[[], Any]) -> Any:
        """The first answer that is not empty; the last one shows where none comes in time."""
        end = time.monotonic() + PATIENCE
        while not (found := look()):
            assert time.monotonic() < end, f"{what}: not seen in {PATIENCE:.0f} s; {self.facts()['conditions']}"
            time.sleep(0.2)
        return found

    def stands(self, name: str, state: str) -> dict[str, Any]:
        """Wait until a condition stands so."""
        row: dict[str, Any] = self.until(
            f"{name} is {state}", lambda: found if (found := self.row(name))["state"] == state else None
        )
        return row
