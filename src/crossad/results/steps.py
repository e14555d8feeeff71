"""The named steps of a trainer: every write that it makes to the store, in one list, with what has to be there before.

Whoever adds a write adds its step here: a test fails for a write that no step covers, and for a step that is never
taken. Other tests stop a trainer at each step, one after another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from crossad.results.checkpoints import PREFIX as CHECKPOINTS
from crossad.results.layout import ATTEMPTS, RUNS
from crossad.results.ledger import COMMITS, FAILURES, WITHDRAWN
from crossad.store.once import CLAIMS

Verb = Literal["put", "create", "delete"]
# where a step is taken: wherever runs live; only where that is a bucket; only in a bucket without conditional writes;
# only in one where nobody has said how it commits
Where = Literal["anywhere", "bucket", "plain", "unprobed"]


@dataclass(frozen=True)
class Step:
    """One kind of write; in `key` a `*` stands for anything within one part of a key."""

    name: str
    verb: Verb
    key: str
    after: tuple[str, ...] = ()  # steps that come first, where they are taken at all: what it names must be there
    where: Where = "bucket"

    def covers(self, verb: Verb, key: str) -> bool:
        """Whether a write is this step."""
        return verb == self.verb and _pattern(self.key).fullmatch(key) is not None


_FILES = ("predictions", "curves", "record")
STEPS = (
    # while it works, by a thread of its own
    Step("log piece", "put", f"{ATTEMPTS}/*/logs/*.log"),
    Step("beacon", "put", f"{RUNS}/*/live/*/*.json", (), "anywhere"),  # in a folder only where attempts are counted
    Step("state", "put", f"{ATTEMPTS}/*/{CHECKPOINTS}/*.safetensors"),
    Step("pointer", "put", f"{CHECKPOINTS}/*/*.json", ("state", "log piece")),
    # the training
    Step("weights", "put", f"{ATTEMPTS}/*/weights-*.safetensors"),
    Step("training commit", "create", f"{COMMITS}/training-*.json", ("weights",), "anywhere"),
    Step("pointer removed", "delete", f"{CHECKPOINTS}/*/*.json", ("training commit",)),
    Step("state removed", "delete", f"{ATTEMPTS}/*/{CHECKPOINTS}/*.safetensors", ("pointer",)),
    # each evaluation
    Step("evaluation table", "put", f"{ATTEMPTS}/*/evaluations/*/predictions.parquet", ("training commit",)),
    Step("evaluation pictures", "put", f"{ATTEMPTS}/*/evaluations/*/pictures.zip", ("training commit",)),
    Step(
        "evaluation commit",
        "create",
        f"{COMMITS}/evaluation-*.json",
        ("training commit", "evaluation table", "evaluation pictures"),
        "anywhere",
    ),
    # the condition
    Step("predictions", "put", f"{ATTEMPTS}/*/predictions.*", ("evaluation commit",)),
    Step("curves", "put", f"{ATTEMPTS}/*/tensorboard_logs/events.out.tfevents.*", ("evaluation commit",)),
    Step("record", "put", f"{ATTEMPTS}/*/tensorboard_logs/result_*.json", ("evaluation commit",)),
    Step("manifest", "put", f"{ATTEMPTS}/*/manifest.json", (*_FILES, "log piece")),
    Step("condition commit", "create", f"{COMMITS}/condition-*.json", ("evaluation commit", "manifest"), "anywhere"),
    Step("failure", "put", f"{FAILURES}/*/*.json", ("record", "manifest"), "anywhere"),
    # a commit whose bytes are gone or damaged
    Step("evidence", "put", f"{WITHDRAWN}/*.json", (), "anywhere"),
    Step("commit withdrawn", "delete", f"{COMMITS}/*.json", ("evidence",), "anywhere"),
    # creating once without conditional writes: the commit is a claim, then a copy of the one that won
    Step("claim", "put", f"{CLAIMS}/{COMMITS}/*/*", (), "plain"),
    Step("claim settled", "put", f"{COMMITS}/*.json", ("claim",), "plain"),
    Step("claim withdrawn", "delete", f"{CLAIMS}/{COMMITS}/*/*", ("evidence",), "plain"),
    # the first look whether a server has conditional writes
    Step("trial", "put", "probe/*", (), "unprobed"),
    Step("second trial", "create", "probe/*", ("trial",), "unprobed"),
    Step("trial removed", "delete", "probe/*", ("second trial",), "unprobed"),
)


def steps_of(verb: Verb, key: str) -> tuple[Step, ...]:
    """The steps that a write may be: one, unless the list is wrong."""
    return tuple(step for step in STEPS if step.covers(verb, key))


def _pattern(key: str) -> re.Pattern[str]:
    return re.compile("[^/]*".join(re.escape(piece) for piece in key.split("*")))
