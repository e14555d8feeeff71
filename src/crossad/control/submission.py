"""Submits a run: what is asked for becomes durable, then it is worked on from here, or a controller's Job is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from crossad.control.aggregation import Ended
from crossad.control.decide import Decision, Facts
from crossad.control.jobs import controller
from crossad.control.judgement import Locks
from crossad.control.pinned import pin_settings
from crossad.control.reconcile import Reconciler
from crossad.errors import CrossadError
from crossad.kube.classify import classify
from crossad.kube.cluster import Cluster
from crossad.kube.once import Outcome, create_once
from crossad.kube.resources import JOBS
from crossad.launch.state import now_text
from crossad.manifests import words
from crossad.manifests.control import control_job, owned
from crossad.manifests.job import Group, groups, trainer_job
from crossad.manifests.names import digest, run_hash
from crossad.manifests.settings import Settings
from crossad.results.home import Home
from crossad.results.plan import Plan, grown, newest_plan, pin_plan

TRIES = 20  # controllers of the same work that ended before it was done


@dataclass(frozen=True)
class Unpinned:
    """What a submission would pin, for a look at what it would do."""

    plan: Plan
    settings: Settings
    locks: Locks = field(default_factory=dict)

    @property
    def groups(self) -> list[Group]:
        """The conditions Job by Job."""
        return groups(self.plan.conditions)

    def look(self) -> bool:
        """It stays as it is."""
        return False

    def name(self, condition_id: str) -> str:
        """A condition's name."""
        return next(entry.name for entry in self.plan.conditions if entry.condition_id == condition_id)


def preview(cluster: Cluster, home: Home, work: Unpinned) -> tuple[Facts, Decision]:
    """What a submission would do now; one of its Jobs is shown to the server, which admits it or says why not.

    Raises:
        ObjectRefused, QuotaExceeded, ClusterDenied: it would not be created.
        UsageError: the run has other content under the same name.
    """
    if (pinned := newest_plan(home.state, work.plan.run)) is not None:
        work = replace(work, plan=grown(pinned, work.plan))
    facts, decision = Reconciler(cluster, home, work.plan.run, lambda _: None, work=work).preview()
    if decision.create:
        piece = decision.create[0]
        cluster.post(JOBS, trainer_job(work.plan, piece.entries, work.settings, piece.generation), dry_run=True)
    return facts, decision


def pin(
    home: Home,
    plan: Plan,
    settings: Settings,
    command: tuple[str, ...],
    locks_of: Callable[[Plan], Locks] | None = None,
) -> Plan:
    """Make plan and settings durable: from then on the run's name says it all.

    Args:
        home: where the run lives.
        plan: what it owes.
        settings: of the cluster.
        command: as the user typed it.
        locks_of: the locks of a plan's data, where somebody can see the data.

    Raises:
        UsageError: the run has other content under the same name.
    """
    pinned = pin_plan(home, plan.model_copy(update={"created": now_text(), "command": command}))
    pin_settings(home.state, plan.run, settings, locks_of(pinned) if locks_of else None)
    return pinned


def detach(cluster: Cluster, reconciler: Reconciler, run: str, settings: Settings) -> str | Ended:
    """Make the controller's Job, unless one works on the run already or there is nothing left to do.

    Returns:
        The name of the Job; or how the run ended.
    """
    if (alive := controller(cluster, run)) is not None:
        return alive
    aggregation = reconciler.aggregation()
    if (ended := aggregation.ended()) is not None:
        return ended
    owner = reconciler.anchor()
    for attempt in range(TRIES):
        body = owned(control_job(run, settings, digest([aggregation.work, attempt])), owner)
        creation = create_once(cluster, JOBS, body, words.SPEC)
        if creation.outcome is Outcome.OTHER:
            raise CrossadError(f"no controller: {creation.why}", hint="remove it, then run again")
        if creation.outcome is Outcome.CREATED or not classify(creation.found).over:
            return str(body["metadata"]["name"])
    raise CrossadError(
        f"{TRIES} controllers of run {run} ended before their work was done",
        hint=f"see why: kubectl logs -l {words.RUN}={run_hash(run)},{words.COMPONENT}={words.CONTROLLER}",
    )
