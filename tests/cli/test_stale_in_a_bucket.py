"""Runs and images in a bucket: `status` and `explain` tell what was done with other images, as `plan` does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import pytest
from click.testing import CliRunner, Result

from crossad.cli import explain, plan, status
from crossad.cli.place import parse_options
from crossad.conditions.plan import condition_parts, plan_entry
from crossad.conditions.suite import load_suite, parse_config
from crossad.data.pack import pack
from crossad.data.places import open_images
from crossad.results.home import Home, open_home
from crossad.results.plan import Plan, PlanEntry, pin_plan
from crossad.store.opening import open_store

RUN = "night"
CONFIG = {"model_type": "patchcore", "image_size": "32x32", "source_domain": "domain_A"}


class Lab:
    """A run of two conditions, of which one is committed with the images of the beginning."""

    def __init__(self, folder: Path, root: Path, place: Any) -> None:
        self.folder, self.root = folder, root
        self.option = f"endpoint={place.endpoint}"
        self.runs, self.images = f"{place.uri}/runs", f"{place.uri}/images"
        self.suite = folder / "suite.json"
        conditions = [
            {"name": "small", "config": {**CONFIG, "target_domains": ["domain_C"]}},
            {"name": "wide", "config": {**CONFIG, "target_domains": ["domain_B", "domain_C"]}},
        ]
        self.suite.write_text(json.dumps({"experiment_conditions": conditions}))
        self.pack()
        entries = tuple(PlanEntry.model_validate(plan_entry(one, ())) for one in load_suite(self.suite).conditions)
        home = self.home
        pin_plan(home, Plan(
            run=RUN, suite="suite", created="2026-01-01T00:00:00+00:00", data=self.images, conditions=entries
        ))  # fmt: skip
        images = open_images(self.images, folder / "cache", parse_options((self.option,)))
        for one in entries:
            lock = images.lock_part(condition_parts(parse_config(one.config)))
            assert lock
            home.ledger.commit("condition", one.condition_id, {"attempt": "a"}, lock)

    @property
    def home(self) -> Home:
        return open_home(self.runs, self.folder / "work", parse_options((self.option,)))

    def pack(self) -> None:
        pack(self.root, open_store(self.images, parse_options((self.option,))))

    def change(self, domain: str) -> None:
        """Other images in a domain's test split, packed anew."""
        image = self.root / domain / "test" / "good" / "000000.tiff"
        assert cv2.imwrite(str(image), cv2.imread(str(image), cv2.IMREAD_UNCHANGED) / 2)
        self.pack()

    def crossad(self, verb: Any, *words: object, data: bool = True) -> Result:
        place = ("--store", self.runs, "--store-option", self.option, "--results-dir", self.folder / "work")
        named = ("--data", self.images, "--data-option", self.option, "--data-cache", self.folder / "cache")
        return CliRunner().invoke(verb.command, [*map(str, (*words, *place, *(named if data else ())))])

    def states(self, verb: Any, *words: object, data: bool = True) -> dict[str, str]:
        found = self.crossad(verb, *words, "--json", data=data)
        assert found.exit_code == 0, found.stderr
        return {
            one["name"]: one["state"] for one in json.loads(found.stdout)["conditions" if verb is status else "plan"]
        }


@pytest.fixture
def lab(tmp_path: Path, make_root: Any, versitygw: Any) -> Lab:
    root = make_root(3)
    shutil.copytree(root / "domain_A", root / "domain_C")
    return Lab(tmp_path, root, versitygw)


def test_status_tells_stale_of_images_in_a_bucket_as_plan_does(lab: Lab) -> None:
    done = {"small": "done", "wide": "done"}
    assert lab.states(plan, lab.suite) == lab.states(status, RUN) == done
    lab.change("domain_B")
    stale = {"small": "done", "wide": "stale"}
    assert lab.states(plan, lab.suite) == lab.states(status, RUN) == stale
    assert lab.states(status, RUN, data=False) == done  # nobody said where to look
    lab.change("domain_A")
    assert lab.states(plan, lab.suite) == lab.states(status, RUN) == {"small": "stale", "wide": "stale"}


def test_what_status_tells_is_explained_by_the_line_that_it_prints(lab: Lab) -> None:
    lab.change("domain_B")
    told = lab.crossad(status, RUN)
    next_ = told.stderr.splitlines()[-1].removeprefix("next: crossad explain ").split()
    assert next_[:2] == [RUN, "1"]
    explained = CliRunner().invoke(explain.command, next_)
    assert explained.stdout.startswith("wide is stale: done, but the data are others now"), explained.stderr


def test_data_that_are_not_there_are_named(lab: Lab) -> None:
    place = ("--store", lab.runs, "--store-option", lab.option)
    found = CliRunner().invoke(
        status.command, [RUN, *place, "--data", f"{lab.images}-none", "--data-option", lab.option]
    )
    assert found.exit_code == 2
    assert f"{lab.images}-none" in found.stderr
    assert "Traceback" not in found.stderr
