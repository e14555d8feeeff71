"""Works a queue off: starts trainers, listens to them, ends with them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from crossad.launch.adopt import adopt
from crossad.launch.board import board
from crossad.launch.command import CommandBuilder, Job, trainer_command, trainer_environment
from crossad.launch.ending import failure_of, newest_record
from crossad.launch.journal import Journal
from crossad.launch.process import Child
from crossad.launch.queue import FOR_GOOD, Queue, Task
from crossad.launch.screen import Screen
from crossad.launch.signals import StopRequest
from crossad.launch.state import RunState, Trainer, now_text
from crossad.launch.summary import Summary, summarise
from crossad.launch.words import clock
from crossad.results.plan import PlanEntry
from crossad.results.record import Failure
from crossad.store.faults import StoreUnreachable

POLL_SECONDS = 0.1
LOOK_SECONDS = 1.0  # between two looks at progress files, logs and verdicts


@dataclass
class Running:
    """A trainer at work."""

    task: Task
    child: Child
    trainer: Trainer
    began: float  # monotonic seconds
    since: float  # seconds since the epoch: records older than this are an earlier attempt's
    kill_at: float | None = None  # monotonic seconds, set once it was asked to stop


class Runner:
    """One session of work on a run, by the one process that holds it."""

    def __init__(
        self,
        job: Job,
        entries: Sequence[PlanEntry],
        screen: Screen,
        command: CommandBuilder = trainer_command,
    ) -> None:
        """Line the conditions up.

        Args:
            job: the pinned plan and where to work on it; the caller holds the run's lock.
            entries: the conditions of the plan to work on now.
            screen: where the run shows itself.
            command: builds a trainer's command line.
        """
        self.job, self.screen, self.command = job, screen, command
        self.state = RunState(job.home, job.plan.run)
        self.queue = Queue(entries, job.slots)
        self.journal = Journal(job.paths, screen.say)
        self.ledger = job.home.ledger
        self._environment = trainer_environment(os.environ, job.slots)
        self._running: list[Running] = []
        self._partial: set[str] = set()
        self._durations: list[float] = []
        self._looked = self._asked = 0.0

    def run(self, stop: StopRequest) -> Summary:
        """Work until nothing is left, or until `stop` was raised and every trainer has ended."""
        devices = ", ".join(map(str, self.job.slots))
        self.journal.fact("run", f"start: {len(self.queue.tasks)} condition(s) on {devices}")
        self._end_leftovers()
        for task in self.queue.tasks:
            self._settle_known(task)
        while not self.queue.finished:
            if stop.count:
                self._stop_all(now=stop.count > 1)
            while (startable := self.queue.start_next()) is not None:
                self._start(startable)
            self._look()
            for one in list(self._running):
                self._reap(one)
            time.sleep(POLL_SECONDS)
        self._looked = 0.0
        self._look()
        summary = summarise(self.job.plan.run, self.queue, self._partial)
        self.journal.fact("run", f"end: {summary.counts}")
        return summary

    def _end_leftovers(self) -> None:
        """End trainers that outlived a killed runner of this run: nobody else listens to them."""
        for task in self.queue.tasks:
            trainer = self.state.trainer(task.entry.condition_id)
            if trainer is not None and trainer.exit_code is None and trainer.mark.alive:
                self.journal.fact(task.entry.name, f"ending process {trainer.mark.pid}: it outlived its runner")
                trainer.mark.terminate(self.job.grace_seconds)

    def _settle_known(self, task: Task) -> None:
        """Skip what is committed (and show it in this run), failed for good or cancelled."""
        entry = task.entry
        commit = self.job.committed(entry)
        if commit is not None:
            self.queue.settle(task, "done", adopt(self.job.paths, entry, commit, self.journal))
            return
        verdict = self.state.verdict(entry.condition_id)
        if verdict is not None:
            self.queue.settle(task, verdict.kind, verdict.reason)
            self.journal.fact(entry.name, f"{verdict.kind} earlier, not repeated: {verdict.reason}")

    def _start(self, task: Task) -> None:
        entry, slot = task.entry, task.slot
        verdict = self.state.verdict(entry.condition_id)  # cancelled while it waited
        if verdict is not None or slot is None:
            reason = verdict.reason if verdict else ""
            self.queue.settle(task, "cancelled", reason)
            self.journal.fact(entry.name, f"cancelled: {reason}")
            return
        condition = self.job.paths.condition(entry.name)
        if condition.root.is_symlink():
            condition.root.unlink()  # a link to another run's work; this attempt gets a folder of its own
        condition.progress.unlink(missing_ok=True)  # an earlier attempt's says nothing about this one
        self.journal.watch(condition)
        output = self.state.output(entry.name)
        began, since = time.monotonic(), time.time()
        child = Child(self.command(self.job, entry, slot), self._environment, output)
        trainer = Trainer(
            mark=child.mark, device=str(slot), attempt=task.attempts, output=str(output), started=now_text()
        )
        self.state.write_trainer(entry.condition_id, trainer)
        self._running.append(Running(task, child, trainer, began, since))
        again = f", attempt {task.attempts}" if task.attempts > 1 else ""
        self.journal.fact(entry.name, f"start on {slot}{again}")

    def _reap(self, one: Running) -> None:
        """Notice the end of a trainer and write down what it means; kill it where its grace is over."""
        code = one.child.poll()
        if code is None:
            if one.kill_at is not None and time.monotonic() > one.kill_at:
                one.child.kill()
            return
        self._running.remove(one)
        entry = one.task.entry
        self.state.write_trainer(entry.condition_id, one.trainer.model_copy(update={"exit_code": code}))
        self.journal.forward(self.job.paths.condition(entry.name))
        verdict = self.state.verdict(entry.condition_id)
        spent = time.monotonic() - one.began
        committed = self.job.committed(entry) is not None
        if code == 0 and committed:
            self.queue.ended(one.task, 0)
            self._durations.append(spent)
            self.journal.fact(entry.name, f"done in {clock(spent)}")
        elif verdict is not None:
            self.queue.settle(one.task, "cancelled", verdict.reason)
            self.journal.fact(entry.name, f"cancelled after {clock(spent)}: {verdict.reason}")
        else:
            self._failed(one, code, f"after {clock(spent)}")

    def _failed(self, one: Running, code: int, when: str) -> None:
        """It did not end well: decide by its exit code, and keep the reason."""
        task, entry, journal = one.task, one.task.entry, self.journal
        failure = self._failure(one, code)
        state = self.queue.ended(task, code or 1, failure.message)
        if state == "interrupted":
            journal.fact(entry.name, f"interrupted {when}", "WARNING")
            return
        if code not in FOR_GOOD:  # a trainer that dies cannot write down why
            run = self.job.plan.run
            attempt = f"{run}-{self.state.generation(entry.condition_id)}-{task.attempts}"
            note = {"run": run, "attempt": attempt, "name": entry.name, "error": failure.model_dump()}
            self.ledger.record_failure(entry.condition_id, attempt, note)
        if state == "waiting":
            journal.fact(entry.name, f"crashed {when}, will be tried again: {failure.message}", "WARNING")
            return
        self.state.close(entry.condition_id, "failed", failure.message, hint=failure.hint, exit_code=code)
        word = "partial" if entry.name in self._partial else "failed"
        journal.fact(entry.name, f"{word} {when} (exit code {code}): {failure.message}", "ERROR")
        if failure.hint:
            journal.fact(entry.name, f"hint: {failure.hint}", "ERROR")

    def _failure(self, one: Running, code: int) -> Failure:
        entry = one.task.entry
        output = self.state.output(entry.name)
        if code == 0:
            lost = "ended with 0 but left no commit"
            return Failure(kind="lost", message=lost, hint=f"see {output}", exit_code=1)
        record = newest_record(self.job.paths.condition(entry.name), entry.condition_id, one.since)
        if record is not None and record.status == "partial":
            self._partial.add(entry.name)
        return failure_of(record, code, output)

    def _look(self) -> None:
        """Once a second: forward what was logged, obey cancellations, show the standing."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        for one in self._running:
            self.journal.forward(self.job.paths.condition(one.task.entry.name))
        self._obey()
        self.screen.show(board(self.queue, self.job.paths, self._durations, len(self.job.slots)))

    def _obey(self) -> None:
        """Stop what was cancelled; as often as it is fair to ask, and a store that does not answer can wait."""
        if time.monotonic() - self._asked < self.job.home.look_seconds:
            return
        self._asked = time.monotonic()
        with suppress(StoreUnreachable):
            for one in self._running:
                if one.kill_at is None and self.state.verdict(one.task.entry.condition_id) is not None:
                    self._ask_to_stop(one)

    def _stop_all(self, *, now: bool) -> None:
        """Ask everybody to save and end; `now` does not wait for them."""
        self.queue.stop()
        for one in self._running:
            if one.kill_at is None:
                self._ask_to_stop(one)
            if now:
                one.kill_at = 0.0

    def _ask_to_stop(self, one: Running) -> None:
        one.kill_at = time.monotonic() + self.job.grace_seconds
        one.child.terminate()
