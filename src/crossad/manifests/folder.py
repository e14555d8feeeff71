"""A run as a folder of files: which objects, in which order `kubectl apply -f DIR/` meets them."""

from __future__ import annotations

from collections.abc import Iterator

from crossad.errors import UsageError
from crossad.manifests import words
from crossad.manifests.access import access
from crossad.manifests.aggregation import plan_shards, report_job
from crossad.manifests.job import groups, trainer_jobs
from crossad.manifests.pod import Object
from crossad.manifests.settings import Settings
from crossad.results.plan import Plan

MANY = 500  # Jobs: beyond, a controller that throttles is the better way


def run_objects(plan: Plan, settings: Settings) -> Iterator[tuple[str, Object]]:
    """(file name, object) of everything that a run needs, in the order of the names.

    The aggregation comes before the Jobs: an apply that was cut off still ends in a report.

    Raises:
        UsageError: the data cannot be read by that many Jobs.
        ConditionError: a condition is too large for a Job.
    """
    check_claim(settings, len(groups(plan.conditions)))
    for found in access(words.REPORT, settings):
        yield _file("00", found), found
    shards = plan_shards(plan, settings)
    for found in shards:
        yield _file("10", found), found
    report = report_job(plan.run, settings, [found["metadata"]["name"] for found in shards])
    yield _file("20", report), report
    for job in trainer_jobs(plan, settings):
        yield _file("30", job), job


def warnings(settings: Settings, jobs: int) -> Iterator[str]:
    """What is worth a word about a folder of that many trainers' Jobs."""
    yield from settings.warnings(jobs)
    if jobs > MANY:
        yield (
            f"{jobs} Jobs at once: a cluster takes them, but nothing holds them back; "
            f"above {MANY}, a controller that throttles is the better way"
        )


def check_claim(settings: Settings, jobs: int) -> None:
    """Refuse what can only end in pods that wait for ever.

    Raises:
        UsageError: the data are on a claim for one pod, and there are more.
    """
    if jobs > 1 and settings.data.claim and set(settings.data.access_modes) == {"ReadWriteOncePod"}:
        raise UsageError(
            f"data.claim {settings.data.claim} is for one pod (ReadWriteOncePod), and there are {jobs} Jobs",
            hint="use a ReadOnlyMany claim, or data.uri with `crossad data pack`",
        )


def _file(order: str, found: Object) -> str:
    return f"{order}-{found['kind'].lower()}-{found['metadata']['name']}.yaml"
