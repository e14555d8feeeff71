"""What a condition's trainer prints, while its pod is there; a pod that takes the place of another is followed, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from crossad.control.jobs import SeenJob, look, newest
from crossad.kube.cluster import Cluster
from crossad.kube.faults import ObjectMissing, ObjectRefused
from crossad.kube.verdicts import State
from crossad.manifests import words
from crossad.results.plan import PlanEntry

POLL_SECONDS = 2.0
PRINTS = (State.RUNNING, State.ENDING, State.RETRYING, State.COMPLETE, State.FAILED)  # its pod has a log
Stamp = tuple[str, str]  # to the second; the digits after it


class PodLog:
    """One pod's log, read piece by piece: each call of `lines` gives what is new."""

    def __init__(self, cluster: Cluster, pod: str, tail: int | None = None) -> None:
        """Name the pod; of what it printed so far only the last lines are wanted where `tail` says how many."""
        self._cluster, self.pod, self._tail = cluster, pod, tail
        self._last: Stamp = ("", "")
        self._at_last = 0  # lines of that very time that were given: more may follow

    def lines(self) -> Iterator[str]:
        """What was printed since the last call; an unfinished line waits for the next.

        Raises:
            ObjectMissing: the pod is gone.
        """
        text = self._cluster.log(self.pod, words.TRAINER, tail=self._tail, since=self._since, stamped=True)
        self._tail = None
        known = self._at_last
        for line in text.splitlines(keepends=True):
            if not line.endswith("\n"):
                return
            told, _, content = line.rstrip("\n").partition(" ")
            stamp = _stamp(told)
            if stamp < self._last:
                continue
            if stamp == self._last and known:
                known -= 1
                continue
            self._at_last = self._at_last + 1 if stamp == self._last else 1
            self._last = stamp
            known = 0
            yield content

    @property
    def _since(self) -> str:
        return f"{self._last[0]}Z" if self._last[0] else ""


def _stamp(text: str) -> Stamp:
    """2026-11-25T05:32:00.12Z in a form that sorts: the server leaves zeros at the end out."""
    second, _, digits = text.removesuffix("Z").partition(".")
    return second, digits.ljust(9, "0")


class Follower:
    """Follows a condition from pod to pod."""

    def __init__(
        self, cluster: Cluster, run: str, entry: PlanEntry, say: Callable[[str], None], tail: int | None = None
    ) -> None:
        """Nothing is asked yet.

        Args:
            cluster: where its Job is.
            run: the run's name.
            entry: the condition.
            say: hears what is not its log: which pod, and why there is none.
            tail: of the first pod's log so far, only so many lines.
        """
        self._cluster, self._run, self._entry, self._say, self._tail = cluster, run, entry, say, tail
        self._log: PodLog | None = None
        self._said = ""

    def job(self) -> SeenJob | None:
        """The Job that speaks for the condition now."""
        seen = look(self._cluster, self._run, why=False, training=self._entry.training_key)
        return newest(seen).get(self._entry.condition_id)

    def now(self, job: SeenJob) -> list[str]:
        """What is new in the log of a Job's pod; nothing where there is no pod, or it does not print yet."""
        if job.pod is None or job.verdict.state not in PRINTS:
            self._told(f"{job.name}: {job.verdict.sentence}")
            return []
        if self._log is None or self._log.pod != job.pod:
            self._told(f"pod {job.pod}" + (f" on node {job.verdict.node}" if job.verdict.node else ""))
            self._log, self._tail = PodLog(self._cluster, job.pod, self._tail), None
        try:
            return list(self._log.lines())
        except ObjectMissing:
            self._told(f"pod {job.pod} is gone; the end of its log is in the store")
        except ObjectRefused as error:  # a container that has not begun
            self._told(error.message)
        return []

    def lines(self, wait: Callable[[], None]) -> Iterator[str]:
        """The log so far and to come, until the Job is over or gone.

        Args:
            wait: waits before the next look.
        """
        while (job := self.job()) is not None:
            yield from self.now(job)
            if job.verdict.over:
                return
            wait()

    def _told(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._say(text)
