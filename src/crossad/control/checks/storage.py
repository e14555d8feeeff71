"""Store, data and weights: what this machine and its credentials find there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crossad.assets import ASSETS, locate, pinned, verify
from crossad.conditions.identity import evaluation_domains
from crossad.conditions.plan import condition_parts, wanted_weights
from crossad.conditions.suite import parse_config
from crossad.control.doctor import Told, left_out, ok, refused, warning, wrong
from crossad.data.findings import counted
from crossad.data.lock import changes, read_lock
from crossad.data.places import Images, PackedImages
from crossad.errors import CrossadError, MissingInputError
from crossad.results.plan import PlanEntry
from crossad.store.base import Store
from crossad.store.probe import Bench, scratch
from crossad.store.probe import probe as try_all
from crossad.supplies.pins import fetch_command, find_pin

if TYPE_CHECKING:
    from crossad.data.preflight import Report

WRITERS, ROUNDS = 4, 1  # of the races: `crossad store probe` has more
NAMED = 5  # findings of data that are told one by one


class Late(Exception):  # noqa: N818 - how a check of images is stopped
    """The time for the images is over."""


def store(open_store: Callable[[], Store]) -> Iterator[Told]:
    """Whether results can live there: reach it, write, read, create once, compare clocks; nothing stays."""
    with scratch() as folder:
        report = try_all(Bench(open_store(), Path(folder), WRITERS, ROUNDS))
    for finding in report.findings:
        if finding.verdict == "failed":
            told, _, hint = finding.told.partition("; hint: ")
            step = hint or "crossad store probe tells more; docs/store.md has the policy that an identity needs"
            yield wrong(f"{report.uri}: {finding.check}: {told}", step)
    if report.usable:
        clock = next(finding.told for finding in report.findings if finding.check == "clock")
        yield ok(f"{report.uri} ({report.server}): usable, commits are {report.commit}; clock: {clock}")


def domains(images: Images, entries: Sequence[PlanEntry]) -> Iterator[Told]:
    """Whether every domain and split that the conditions read is there."""
    there = images.domains()
    needed = sorted({part for entry in entries for part in condition_parts(parse_config(entry.config))})
    named = {name for entry in entries for name in evaluation_domains(parse_config(entry.config))}
    missing = sorted(named - set(there))
    for name in missing:
        who = ", ".join(entry.name for entry in entries if name in evaluation_domains(parse_config(entry.config)))
        yield wrong(f"{images.shown} has no domain {name}, which {who} reads", f"there: {', '.join(there) or 'none'}")
    for domain, split in needed:
        if domain not in missing and not images.has(domain, split):
            yield wrong(f"{images.shown}: domain {domain} has no split {split}", "add it, or name another domain")
    if not missing:
        read = sorted(named) or list(there)
        total = sum(
            images.count(name, split) for name in read for split in ("train", "test") if images.has(name, split)
        )
        yield ok(f"{images.shown}: {counted(len(read), 'domain')}, {counted(total, 'image')}: {', '.join(read)}")


def locked(images: Images) -> Iterator[Told]:
    """Whether results will remember which images they were made from."""
    if isinstance(images, PackedImages):
        yield ok(f"{images.shown}: the lock is part of the index")
    elif read_lock(images.root) is None:
        step = f"crossad data check {images.shown}"
        yield warning(f"{images.shown} has no lock: results will not tell which images they were made from", step)
    else:
        yield ok(f"{images.shown}: there is a lock")


def contents(images: Images, seconds: float, clock: Callable[[], float] = time.monotonic) -> Iterator[Told]:
    """Every image looked at, as `crossad data check` does; every archive there, where they are packed."""
    if isinstance(images, PackedImages):
        yield from _archives(images)
        return
    try:
        from crossad.data.preflight import check  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        yield left_out(f"images cannot be read here: {error.name} is not installed", "pip install 'crossad[data]'")
        return
    until = clock() + seconds

    def advance(*_: object) -> None:
        if clock() > until:
            raise Late

    try:
        report = check(images.root, advance)
    except Late:
        yield left_out(f"{images.shown}: too many images for {seconds:.0f} s", f"crossad data check {images.shown}")
        return
    yield from _told(report, images.shown)
    if not report.errors:
        for text in changes(images.root, report.sha256):
            step = f"crossad data check {images.shown} writes the lock anew; earlier results then count as stale"
            yield wrong(f"{images.shown}: {text}", step)


def _told(report: Report, shown: str) -> Iterator[Told]:
    for finding in report.findings[:NAMED]:
        make = wrong if finding.severity == "error" else warning
        yield make(finding.sentence().partition(": ")[2], finding.hint or f"crossad data check {shown}")
    if more := report.findings[NAMED:]:
        worst = wrong if any(one.severity == "error" for one in more) else warning
        yield worst(f"{shown}: {counted(len(more), 'further finding')}", f"crossad data check {shown} names all")
    if not report.findings:
        yield ok(f"{shown}: every image is readable and none is there twice")


def _archives(images: PackedImages) -> Iterator[Told]:
    cache = images.cache
    archives = [
        (name, split, archive)
        for name, domain in cache.index.domains.items()
        for split, archive in domain.splits.items()
    ]
    for name, split, archive in archives:
        found = cache.store.stat(archive.key)
        if found is None or found.size != archive.bytes:
            what = "is not there" if found is None else f"has {found.size} bytes, {archive.bytes} expected"
            yield wrong(f"{images.shown}: the archive of {name}/{split} {what}", "crossad data pack ROOT ADDRESS again")
            return
    total = sum(archive.bytes for *_, archive in archives)
    yield ok(f"{images.shown}: all {counted(len(archives), 'archive')} are there, {total / 2**30:.2f} GiB")


def weights_of_jobs(entries: Sequence[PlanEntry], shelves: Sequence[Callable[[], Store]]) -> Iterator[Told]:
    """Whether pods can have the weights that the conditions need, where no claim brings them: they reach no hub.

    Args:
        entries: the conditions.
        shelves: the stores that their trainers ask, the first one first.
    """
    needed = sorted({name for entry in entries if (name := wanted_weights(parse_config(entry.config)))})
    foreign = [name for name in needed if ASSETS[name].package is None]
    if not foreign:
        yield ok(f"{', '.join(needed) or 'none'} needed: in the trainer's own packages")
        return
    stores = [open_store() for open_store in shelves]
    for name in foreign:
        yield _pinned(name, stores)


def _pinned(name: str, stores: Sequence[Store]) -> Told:
    """Whether one of the stores has weights, by their number of bytes."""
    for store in stores:
        pin = find_pin(store, name, "weights")
        if pin is None:
            continue
        entry = store.stat(pin.key)
        if entry is None or entry.size != pin.bytes:
            what = "is not there" if entry is None else f"has {entry.size} bytes, {pin.bytes} expected"
            return wrong(f"{store.uri}/{pin.key} ({name}) {what}", f"{fetch_command(name, 'weights', store.uri)} again")
        return ok(f"{name}: pinned in {store.uri}")
    where = ", ".join(store.uri for store in stores)
    step = f"{fetch_command(name, 'weights', stores[0].uri if stores else 'STORE')} --from-hub"
    return warning(f"{name}: not pinned in {where or 'a store'}, and on no claim; an image must have it", step)


def weights(
    folder: Path | None, entries: Sequence[PlanEntry], shelves: Sequence[Callable[[], Store]] = ()
) -> Iterator[Told]:
    """Whether the pretrained weights that the conditions need are here or in a store, and are what was fetched."""
    needed = sorted({name for entry in entries if (name := wanted_weights(parse_config(entry.config)))})
    for name in needed:
        try:
            yield ok(f"{name}: {locate(name, folder).source}")
        except MissingInputError as error:
            told = _pinned(name, [open_store() for open_store in shelves])
            yield refused(error) if told.verdict == "warning" else told
    if folder is None:
        if not needed:
            yield left_out("no --weights, and no condition that needs some")
        return
    pins = pinned(folder)
    for name, sha256 in pins.items():
        try:
            verdict = verify(folder, name, sha256)
        except CrossadError as error:
            yield refused(error)
            continue
        if verdict == "ok":
            yield ok(f"{folder}: {name} is what was fetched")
        else:
            yield wrong(f"{folder}: {name}: {verdict}", f"crossad assets fetch {name} --weights {folder}")
    if not pins:
        yield warning(f"nothing was fetched into {folder}", f"crossad assets fetch NAME --weights {folder}")
