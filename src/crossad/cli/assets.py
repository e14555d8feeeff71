"""`crossad assets`: what weights and textures there are, where they lie, and bringing them into a folder or a store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossad.cli import VERBS
from crossad.cli.assets_store import Chosen, list_store, pin_all, verify_store
from crossad.cli.assets_verdicts import Verdict, tell
from crossad.cli.bad_input import bad_input
from crossad.cli.place import Place, place_options

if TYPE_CHECKING:
    from crossad.assets import Asset, Found

_HELP = f"""{VERBS["assets"]}

\b
crossad assets list
crossad assets fetch tf_efficientnet_lite0 --weights weights
crossad assets fetch wide_resnet50_2 --weights weights --from-hub
crossad assets fetch wide_resnet50_2 --store s3://bucket/experiments --from-hub
crossad assets verify --store s3://bucket/experiments
"""
_FETCH_HELP = """Put weights into a folder, or weights and textures into a store, pinned by their hashes.

\b
crossad assets fetch tf_efficientnet_lite0 --weights weights
crossad assets fetch wide_resnet50_2 --weights weights --from-hub
crossad assets fetch wide_resnet50_2 --store s3://bucket/experiments --from-hub
crossad assets fetch --textures dtd=downloads/dtd/images --store s3://bucket/experiments

With --store they go under assets/ there, where every trainer of that store finds them: it asks no hub. They are looked
for in --weights, in the hub's cache and in the built-in package; only --from-hub downloads. Conditions name textures as
"anomaly_source": "dtd:NAME". A name that is pinned keeps its meaning: other bytes under it are refused.
"""
_VERIFY_HELP = """Hash the weights of a folder, or all that is pinned in a store, again and compare.

\b
crossad assets verify --weights weights
crossad assets verify --store s3://bucket/experiments

Exit codes: 0 all as they were fetched, 1 something is missing, damaged or changed (each is named), 2 bad input.
"""
_folder = click.option(
    "--weights", "weights_dir", type=click.Path(path_type=Path, file_okay=False), help="Folder with weights."
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Facts as JSON on stdout.")


@click.group(help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List, fetch and verify pretrained weights and textures."""


@command.command("list", help="Show which weights exist and where each is found here; with --store, what it holds.")
@_folder
@place_options
@_as_json
def list_(weights_dir: Path | None, place: Place, as_json: bool) -> None:
    """Print a line an asset."""
    if _named(place):
        list_store(place, as_json)
        return
    from crossad.assets import ASSETS

    rows = [_standing(asset, weights_dir) for asset in ASSETS.values()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        where = f"{row['source']}: {row['path']}" if row["path"] else "missing"
        click.echo(f"{row['name']:30} {', '.join(row['models']):20} {where}")
    missing = next((row for row in rows if not row["path"]), None)
    if missing:
        click.echo(f"next: {missing['fetch']}", err=True)


def _standing(asset: Asset, weights_dir: Path | None) -> dict[str, Any]:
    from crossad.assets import fetch_command, locate
    from crossad.errors import MissingInputError

    facts: dict[str, Any] = {"name": asset.name, "models": list(asset.models), "repository": asset.repository}
    try:
        found = locate(asset.name, weights_dir)
    except MissingInputError:
        return facts | {
            "source": None,
            "path": None,
            "bytes": None,
            "fetch": fetch_command(asset, weights_dir),
        }
    size = found.path.stat().st_size
    return facts | {"source": found.source, "path": str(found.path), "bytes": size, "fetch": None}


@command.command("fetch", help=_FETCH_HELP)
@click.argument("names", nargs=-1)
@click.option(
    "--weights", "weights_dir", type=click.Path(path_type=Path, file_okay=False),
    help="Folder to put the weights into, each as NAME.safetensors; with --store, where to look first.",
)  # fmt: skip
@click.option("--textures", multiple=True, metavar="NAME=FOLDER", help="Texture images, for a store; again for more.")
@click.option("--licence", help="Of these assets, to be noted in a store.  [default: what is known of weights]")
@click.option("--from-hub", is_flag=True, help="Download what this machine does not have from the model hub.")
@place_options
@_as_json
def fetch(
    names: tuple[str, ...],
    weights_dir: Path | None,
    textures: tuple[str, ...],
    licence: str | None,
    from_hub: bool,
    place: Place,
    as_json: bool,
) -> None:
    """Bring weights into a folder, or weights and textures into a store."""
    from crossad.errors import UsageError

    with bad_input():
        if not names and not textures:
            raise UsageError("nothing named", hint="crossad assets list shows what there is")
        if _named(place):
            pin_all(Chosen(names, textures, licence), lambda name: _find(name, weights_dir, from_hub), place, as_json)
            return
        if weights_dir is None or textures or licence:
            raise UsageError(
                "no place to put them" if weights_dir is None else "--textures and --licence are for a store",
                hint="add --weights FOLDER (weights only), or --store STORE",
            )
        rows = [_fetch(name, weights_dir, from_hub) for name in names]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        for row in rows:
            click.echo(f"{row['name']}  {row['sha256']}  {row['path']}  (from {row['source']})")
    click.echo(f"next: crossad run SUITE --weights {weights_dir}", err=True)


def _named(place: Place) -> bool:
    return bool(place.store or place.results_dir)


def _find(name: str, weights_dir: Path | None, from_hub: bool) -> Found:
    """An asset, wherever it is found first.

    Raises:
        MissingInputError: it is not on this machine, and the hub is not to be asked.
    """
    from crossad.assets import Found, asset_named, locate
    from crossad.errors import MissingInputError

    asset = asset_named(name)
    try:
        return locate(name, weights_dir)
    except MissingInputError:
        if not from_hub:
            raise
        return Found(_download(asset), f"hub {asset.repository}")


def _fetch(name: str, weights_dir: Path, from_hub: bool) -> dict[str, str]:
    """Bring one asset into the folder."""
    from crossad.assets import hash_tensors, pin, pinned
    from crossad.errors import DataError

    target = weights_dir / f"{name}.safetensors"
    found = _find(name, weights_dir, from_hub)
    weights_dir.mkdir(parents=True, exist_ok=True)
    if found.package is not None:
        from crossad.trainer.backbones import convert_package

        convert_package(name, found, target)
    elif found.path != target:
        _copy(found.path, target)
    sha256, known = hash_tensors(target), pinned(weights_dir).get(name)
    if found.path != target or known is None:
        pin(weights_dir, name, sha256, found.source)
    elif known != sha256:
        raise DataError(
            f"{target} is not what was fetched: hash {sha256}, pinned {known}",
            hint=f"delete it, then: crossad assets fetch {name} --weights {weights_dir}",
        )
    return {"name": name, "path": str(target), "sha256": sha256, "source": found.source}


def _copy(path: Path, target: Path) -> None:
    """Copy weights whole or not at all, without holding a gigabyte in memory."""
    aside = target.with_name(f".{target.name}.tmp")
    try:
        shutil.copyfile(path, aside)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def _download(asset: Asset) -> Path:
    """The asset's file in the hub's cache, downloaded now.

    Raises:
        CrossadError: the hub is not reachable, or its client is not installed.
    """
    from crossad.assets import WEIGHTS
    from crossad.errors import CrossadError

    hint = (
        f"on a machine that reaches the hub: crossad assets fetch {asset.name} --weights DIR --from-hub;"
        " then bring DIR here and pass --weights DIR"
    )
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # what the client stands on, of any version
    except ImportError as error:
        raise CrossadError("the hub's client is not installed: huggingface_hub", hint=hint) from error
    try:
        return Path(hf_hub_download(asset.repository, WEIGHTS))
    except (OSError, httpx.HTTPError) as error:  # the client's own errors are OSErrors; a cut connection is not
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CrossadError(f"cannot download {asset.repository}: {reason}", hint=hint) from error


@command.command("verify", help=_VERIFY_HELP, short_help="Hash fetched weights again and compare.")
@click.option(
    "--weights", "weights_dir", type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder that 'assets fetch' wrote.",
)  # fmt: skip
@place_options
@_as_json
def verify(weights_dir: Path | None, place: Place, as_json: bool) -> None:
    """Print a verdict an asset."""
    from crossad.assets import pinned
    from crossad.errors import UsageError

    with bad_input():
        if (weights_dir is None) != _named(place):
            raise UsageError("name one of --weights FOLDER and --store STORE")
        if weights_dir is None:
            verify_store(place, as_json)
            return
        found = [_verdict(weights_dir, name, sha256) for name, sha256 in pinned(weights_dir).items()]
    first = f"next: crossad assets fetch tf_efficientnet_lite0 --weights {weights_dir}"
    tell(found, as_json, f"nothing was fetched into {weights_dir}\n{first}")


def _verdict(weights_dir: Path, name: str, sha256: str) -> Verdict:
    from crossad.assets import asset_named, fetch_command, verify

    again, place = fetch_command(asset_named(name), weights_dir), f"{weights_dir / name}.safetensors"
    return Verdict({"sha256": sha256}, name, verify(weights_dir, name, sha256), place, again)
