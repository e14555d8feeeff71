"""`crossad data pack` and `crossad data fetch`: images into a store, and from there into this machine's cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.images import OPTION, Address
from crossad.cli.operate import json_option

if TYPE_CHECKING:
    from crossad.data.pack import Result

_PACK_HELP = """Pack a data root into a bucket or a folder: one archive a domain and split, and an index.

\b
crossad data pack data/hdmap s3://bucket/hdmap
crossad data pack data/hdmap s3://bucket/hdmap --only domain_E
crossad data pack data/hdmap /mnt/share/hdmap --json

Archives hold the images as they are and are named by their bytes: packing again sends only what changed. The index is
written last, so a pack that was stopped is not seen by anybody. Images are not looked into: `crossad data check` does.
With a lock in ROOT the images must be those of the lock; without one the index gets a lock of what was packed.
Pack from one machine at a time into one TARGET.
Exit codes: 0 done, 2 bad input, 75 the store does not answer, 78 no room or no permission.
"""
_FETCH_HELP = """Bring packed images into this machine's cache, verified, and print the data root there.

\b
crossad data fetch s3://bucket/hdmap
crossad data check "$(crossad data fetch s3://bucket/hdmap)"
crossad data fetch s3://bucket/hdmap --only domain_A --data-cache /scratch/crossad

Trainers do the same by themselves for the domains that they need; fetch ahead where the network goes away later.
"""
_only = click.option("--only", multiple=True, metavar="DOMAIN", help="This domain; again for more.  [default: all]")
_how = click.option(
    OPTION, "data_options", multiple=True, metavar="NAME=VALUE", help="How to reach a bucket: endpoint, region, …"
)


@click.command("pack", help=_PACK_HELP, short_help="Pack a data root into a bucket or a folder.")
@click.argument("root", metavar="ROOT", type=click.Path(path_type=Path))
@click.argument("target", metavar="TARGET")
@_only
@_how
@json_option
def pack(root: Path, target: str, only: tuple[str, ...], data_options: tuple[str, ...], as_json: bool) -> None:
    """Pack, tell."""
    with bad_input():
        from crossad.cli.progress import progress, stoppable
        from crossad.data.pack import pack as pack_root
        from crossad.store.opening import on_s3, open_store

        _require_other_place(root, target)
        address = Address(target, options=data_options)
        store = open_store(target, address.settings() if on_s3(target) else None)
        with stoppable(), progress() as advance:
            result = pack_root(root, store, only, advance)
    if as_json:
        click.echo(json.dumps(result.record(), indent=2, ensure_ascii=False))
    else:
        _say(result)
    if not result.checked:
        click.echo(f"note: no lock in {root}: one was made of what was packed; look at the images too:", err=True)
        click.echo(f"  crossad data check {root}", err=True)
    click.echo(f"next: crossad run SUITE {address.words}", err=True)


def _require_other_place(root: Path, target: str) -> None:
    """A pack inside the root would be taken for a part of it.

    Raises:
        UsageError: it would be.
    """
    from crossad.errors import UsageError
    from crossad.store.opening import on_s3

    folder = Path(target.removeprefix("file://"))
    if not on_s3(target) and folder.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"TARGET {target} lies in ROOT {root}", hint="name another folder, or s3://bucket/prefix")


def _say(result: Result) -> None:
    width = max([6, *(len(f"{one.domain}/{one.split}") for one in result.archives)])
    click.echo(f"{'set':<{width}}  {'images':>7}  {'bytes':>13}  {'state':<13}  archive")
    for one in result.archives:
        name, archive = f"{one.domain}/{one.split}", one.archive
        click.echo(f"{name:<{width}}  {archive.images:>7}  {archive.bytes:>13}  {one.state:<13}  {archive.key}")
    for name in result.dropped:
        click.echo(f"no longer in the index, as it is not in the root: {name}")
    state = "written" if result.fresh else "already there"
    click.echo(f"{result.uri}: {len(result.index.domains)} domains, index {state}")


@click.command("fetch", help=_FETCH_HELP, short_help="Bring packed images into this machine's cache.")
@click.argument("address", metavar="ADDRESS")
@_only
@click.option("--data-cache", type=click.Path(path_type=Path), help="Folder to fetch into.  [default: CROSSAD_CACHE]")
@_how
@json_option
def fetch(
    address: str, only: tuple[str, ...], data_cache: Path | None, data_options: tuple[str, ...], as_json: bool
) -> None:
    """Fetch, print the root."""
    with bad_input():
        from crossad.cli.progress import progress, stoppable
        from crossad.data.layout import SPLITS

        images = Address(address, data_cache, data_options).open(address)
        names = only or images.domains()
        parts = [(name, split) for name in names for split in SPLITS if images.has(name, split)]
        with stoppable(), progress() as advance:
            root = images.bring(parts, advance)
    if as_json:
        click.echo(json.dumps({"address": images.uri, "root": str(root), "domains": list(names)}, indent=2))
    else:
        click.echo(root)
    click.echo(f"next: crossad run SUITE --data {address}", err=True)
