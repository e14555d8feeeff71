"""Works on a run in a cluster: look, decide, act, again and again, until its aggregation has ended.

`crossad submit` does it from a laptop, `crossad control` in a pod. Every pass starts from what the API server and the
store say, and every act is one that may be done twice: a controller that is killed anywhere, or two of them at once,
end where one undisturbed would. Jobs are created and removed, never changed, and those that were suspended or placed
by another hand (a queue) are left alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from crossad.control.aggregation import Aggregation, Ended, Lots
from crossad.control.closing import close
from crossad.control.creating import THREADS, create_jobs
from crossad.control.decide import Decision, Facts, Known, Piece, Stop, decide
from crossad.control.facts import Teller, Told
from crossad.control.jobs import completed, look
from crossad.control.noted import Noted
from crossad.control.pinned import Assignment, Work
from crossad.control.telling import Telling
from crossad.errors import InterruptedRun
from crossad.kube.cluster import Cluster
from crossad.kube.faults import ObjectConflict, ObjectRefused, QuotaExceeded
from crossad.kube.forms import JobForm
from crossad.kube.once import Outcome, create_once
from crossad.kube.reading import Object, over
from crossad.kube.resources import CONFIG_MAPS, JOBS
from crossad.manifests import words
from crossad.manifests.control import anchor, owned
from crossad.manifests.job import Specs, trainer_job
from crossad.manifests.names import run_hash
from crossad.manifests.settings import Settings
from crossad.results.home import Home

SHORTEST, LONGEST = 2.0, 15.0  # seconds between two passes: ever longer while nothing changes
URGENT = 60  # seconds that an aggregation may wait where nothing more is expected


class Reconciler:
    """Brings a run to its end."""

    def __init__(
        self,
        cluster: Cluster,
        home: Home,
        run: str,
        say: Callable[[str], None],
        *,
        work: Work | None = None,
        stopped: Callable[[], bool] = lambda: False,
        threads: int = THREADS,
    ) -> None:
        """Nothing is asked yet.

        Args:
            cluster: where its Jobs are; the run was pinned before, its plan and its settings.
            home: where the run lives.
            run: its name.
            say: hears what changes.
            work: the plan and the settings; by default those that are pinned in the home.
            stopped: whether somebody asked to stop.
            threads: requests at once.
        """
        self._cluster, self._home, self._run, self._stopped = cluster, home, run, stopped
        self._threads, self._work = threads, work or Assignment(home.state, run)
        self._noted, self._teller = Noted(home.state, run), Teller(home, run)
        self._tell = Telling(say)
        self._specs: dict[Known, str] = {}  # hashes of our Jobs
        self._shared: Specs = {}  # what our Jobs have in common
        self._refused: dict[Known, str] = {}
        self._began: datetime | None = None

    def work(self, wait: Callable[[float], bool]) -> Ended:
        """Pass after pass, to the end.

        Args:
            wait: waits so many seconds, and says whether to stop.

        Raises:
            InterruptedRun: somebody asked to stop; nothing is lost.
            CrossadError: cluster or store do not answer, or refuse.
        """
        pause = SHORTEST
        while True:
            ended, changed = self.once()
            if ended is not None:
                return ended
            pause = SHORTEST if changed else min(LONGEST, pause * 1.5)
            if self._stopped() or wait(pause):
                raise InterruptedRun(
                    f"stopped working on run {self._run}; its Jobs go on", hint="the same command continues"
                )

    def once(self) -> tuple[Ended | None, bool]:
        """One pass.

        Returns:
            How the run ended, where it did, and whether anything changed.
        """
        if self._work.look():
            self._refused.clear()
            self._specs.clear()
            self._shared.clear()
        facts, decision = self._decide()
        changed = self._tell.standing(decision, facts)
        changed |= self._act(decision, facts)
        stalled = self._stalled(decision, facts)
        if not (decision.over or stalled) or self._stopped():
            return None, changed
        self._check_refused(decision, facts)
        return self._aggregate(facts.told, facts.now, urgent=not decision.over), changed

    def preview(self) -> tuple[Facts, Decision]:
        """What a pass would do now; nothing is done."""
        self._work.look()
        return self._decide()

    def aggregation(self) -> Aggregation:
        """That of the run as it stands in the store."""
        self._work.look()
        return self._aggregation(self._teller.look(locks=self._work.locks), self._work.settings)

    def _decide(self) -> tuple[Facts, Decision]:
        facts = self._look()
        decision = decide(facts, self._spec)
        if decision.doubtful:  # what trainers tell of themselves, and what others do, is read only where it matters
            facts = replace(facts, told=self._teller.closer(facts.told, decision.doubtful))
            decision = decide(facts, self._spec)
        if decision.create:
            others = self._others({piece.training for piece in decision.create})
            decision = decide(replace(facts, others=others), self._spec)
        return facts, decision

    def _look(self) -> Facts:
        """Notes, then Jobs, then the store: a Job that is noted was there, one that is over has told its commits."""
        control = self._work.settings.control
        late = control.start_deadline_seconds
        known = self._noted.look()
        jobs = look(self._cluster, self._run, why=late is not None)
        told = self._teller.look(completed(jobs), self._work.locks)
        now = self._home.state.now()
        self._began = self._began or now
        return Facts(
            groups=self._work.groups,
            told=told,
            known=known,
            jobs=jobs,
            now=now,
            max_active=control.max_active,
            start_deadline=None if late is None else timedelta(seconds=late),
            refused=dict(self._refused),
        )

    def _others(self, wanted: set[str]) -> dict[str, str]:
        """Living Jobs of other runs that work on some trainings."""
        found: dict[str, str] = {}

        def keep(job: Object) -> None:
            labels, metadata = job["metadata"].get("labels") or {}, job["metadata"]
            training = labels.get(words.TRAINING, "")
            if training in wanted and training not in found and not over(job):
                run = (metadata.get("annotations") or {}).get(words.RUN_NAME, labels.get(words.RUN))
                found[training] = f"Job {metadata['name']} of run {run}"

        theirs = f"{words.COMPONENT}={words.TRAINER},{words.RUN}!={run_hash(self._run)}"
        self._cluster.gather(JOBS, keep, labels=theirs, form=JobForm)
        return found

    def _act(self, decision: Decision, facts: Facts) -> bool:
        """Verdicts first, so that what is removed afterwards stays removed."""
        close(self._home, self._run, decision.close)
        for closing in decision.close:
            self._tell.closed(closing, self._work.name(closing.condition))
        self._noted.add((job.generation, job.conditions) for job in facts.jobs)
        for stop in decision.stop:
            self._stop(stop)
        for blocked in decision.blocked:
            self._tell.blocked(blocked)
        self._create(decision.create)
        return bool(decision.close or decision.stop or decision.create)

    def _stop(self, stop: Stop) -> None:
        self._tell.stopped(stop)
        with contextlib.suppress(ObjectConflict):  # its name is another one's by now
            self._cluster.delete(JOBS, stop.job.name, uid=stop.job.uid)

    def _create(self, pieces: Sequence[Piece]) -> None:
        if not pieces:
            return
        owner = self.anchor()
        created = create_jobs(
            self._cluster, pieces, lambda piece: owned(self._job(piece), owner), self._stopped, self._threads
        )
        self._noted.add(piece.known for piece in created.there)
        self._refused |= {one.known: created.refused[one.training] for one in pieces if one.training in created.refused}
        self._tell.created(created)

    def _job(self, piece: Piece) -> Object:
        work = self._work
        job = trainer_job(work.plan, piece.entries, work.settings, piece.generation, specs=self._shared)
        self._specs[piece.known] = job["metadata"]["annotations"][words.SPEC]
        return job

    def _spec(self, piece: Piece) -> str:
        """The hash that our Job of a piece carries; making one costs more than remembering it."""
        if piece.known not in self._specs:
            self._job(piece)
        return self._specs[piece.known]

    def anchor(self) -> Object:
        """The object that owns the run's Jobs, made where it is not there.

        Raises:
            ObjectConflict: something else has its name, or it is on its way out.
        """
        body = anchor(self._run, self._work.settings.namespace)
        creation = create_once(self._cluster, CONFIG_MAPS, body, words.SPEC)
        if creation.outcome in (Outcome.CREATED, Outcome.SAME):
            return creation.found
        hint = "wait until it is gone" if creation.outcome is Outcome.LEAVING else "remove it, or use another namespace"
        raise ObjectConflict(f"config map of run {self._run}: {creation.why}", hint=f"{hint}, then run again")

    def _stalled(self, decision: Decision, facts: Facts) -> bool:
        """Whether nothing was started for so long that what there is must do: a report is written, whatever comes."""
        newest = max((job.created for job in facts.jobs), default=self._began or facts.now)
        limit = timedelta(seconds=self._work.settings.report.deadline_seconds)
        stalled = not decision.create and facts.now - newest > limit
        if stalled and not decision.over:
            self._tell.stalled(decision, limit)
        return stalled

    def _check_refused(self, decision: Decision, facts: Facts) -> None:
        """Nothing came of this run and nothing will: that is no run to report on.

        Raises:
            ObjectRefused: the server takes none of its Jobs.
        """
        ours = {entry.condition_id for group in facts.groups for entry in group}
        if decision.refused == ours:
            why = next(iter(self._refused.values()))
            raise ObjectRefused(
                f"none of the {len(facts.groups)} Jobs is accepted: {why}",
                hint="correct what the sentence names in the settings, then the same command",
            )

    def _aggregate(self, told: Told, now: datetime, *, urgent: bool) -> Ended | None:
        settings = self._work.settings
        if urgent:
            hurry = {"deadline_seconds": URGENT, "grace_seconds": 0}
            settings = settings.model_copy(update={"report": settings.report.model_copy(update=hurry)})
        try:
            found = self._aggregation(told, settings).step(self.anchor, now)
        except QuotaExceeded as error:  # Jobs that are over count, too, until their TTL removes them
            self._tell.later(error.message)
            return None
        if isinstance(found, Ended):
            return found
        self._tell.aggregating(found)
        return None

    def _aggregation(self, told: Told, settings: Settings) -> Aggregation:
        lots: Lots = {}
        for group in self._work.groups:
            for one in (entry.condition_id for entry in group):
                lot = "committed" if one in told.committed else told.closed.get(one, "open")
                lots[one] = (1 + told.retries.get(one, 0), lot)
        return Aggregation(self._cluster, self._home.state, self._run, lots, settings)
