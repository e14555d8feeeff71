"""`crossad assets` on a store: pin weights and textures there, list what is pinned, hash all of it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossad.cli.assets_verdicts import Verdict, tell
from crossad.cli.bad_input import bad_input

if TYPE_CHECKING:
    from crossad.assets import Found
    from crossad.cli.place import Place
    from crossad.store.base import Store
    from crossad.supplies.pins import Pin


@dataclass(frozen=True)
class Chosen:
    """What is to be pinned."""

    names: tuple[str, ...]  # of weights
    textures: tuple[str, ...]  # NAME=FOLDER
    licence: str | None = None


def pin_all(chosen: Chosen, find: Callable[[str], Found], place: Place, as_json: bool) -> None:
    """Put weights and textures into the store, one after another; what a stopped call did counts.

    Args:
        chosen: names and folders.
        find: a weights file on this machine, by name.
        place: the store.
        as_json: facts for machines.
    """
    from crossad.cli.progress import progress, stoppable
    from crossad.supplies.stock import put_textures

    pairs = [_pair(text) for text in chosen.textures]
    store, made = place.home().state, []
    with stoppable(), progress() as advance:
        for name in chosen.names:
            made.append(_pin_weights(store, name, find(name), chosen.licence))
        for name, folder in pairs:
            made.append(put_textures(store, name, folder, chosen.licence, _counter(advance, name, folder)))
    rows = [{**_facts(store, pin), "state": "pinned" if new else "already there"} for pin, new in made]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for row in rows:
            click.echo(f"{row['name']}  {row['content']}  {row['uri']}  ({row['state']}, from {row['source']})")
    click.echo(f"next: crossad run SUITE {place.words}", err=True)


def _pair(text: str) -> tuple[str, Path]:
    from crossad.errors import UsageError

    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise UsageError(f"--textures: got {text!r}, allowed: NAME=FOLDER", hint="--textures dtd=downloads/dtd/images")
    return name, Path(folder)


def _counter(advance: Callable[[str, int, int], None], name: str, folder: Path) -> Callable[[int], None]:
    from crossad.supplies.textures import texture_files

    total = len(texture_files(folder))
    return lambda count: advance(f"pack {name}", count, total)


def _pin_weights(store: Store, name: str, found: Found, licence: str | None) -> tuple[Pin, bool]:
    """Pin a file; a package's own format is converted first."""
    import tempfile

    from crossad.assets import asset_named
    from crossad.supplies.stock import put_weights

    said = licence or asset_named(name).licence
    if found.package is None:
        return put_weights(store, name, found.path, _source(found), said)
    from crossad.trainer.backbones import convert_package

    with tempfile.TemporaryDirectory(prefix="crossad-assets-") as scratch:
        path = Path(scratch) / f"{name}.safetensors"
        convert_package(name, found, path)
        return put_weights(store, name, path, _source(found), said)


def _source(found: Found) -> str:
    """Where a file came from, without this machine's folders."""
    return "folder" if found.source.startswith("folder ") else found.source


def _facts(store: Store, pin: Pin) -> dict[str, Any]:
    kept = pin.model_dump(exclude={"kind", "format"})
    return {**kept, "uri": f"{store.uri}/{pin.key}"}


def list_store(place: Place, as_json: bool) -> None:
    """Print a line a pin."""
    with bad_input():
        from crossad.supplies.pins import list_names, read_pin

        store = place.home().state
        pins = [read_pin(store, name) for name in list_names(store)]
    if as_json:
        click.echo(json.dumps([_facts(store, pin) for pin in pins], indent=2, ensure_ascii=False))
        return
    for pin in pins:
        told = f"{pin.files} images, " if pin.type == "textures" else ""
        line = f"{pin.name:30} {pin.type:9} {pin.content}  {told}{pin.bytes} bytes"
        click.echo(f"{line}, {pin.licence or 'licence not said'}, from {pin.source}")
    if not pins:
        click.echo(f"nothing is pinned in {store.uri}", err=True)
        click.echo(f"next: crossad assets fetch tf_efficientnet_lite0 {place.words}", err=True)


def verify_store(place: Place, as_json: bool) -> None:
    """Print a verdict a pin; damage ends with 1."""
    from crossad.cli.progress import progress, stoppable
    from crossad.supplies.pins import list_names

    store, found = place.home().state, list[Verdict]()
    with stoppable(), progress() as advance:
        names = list(list_names(store))
        for name in names:
            found.append(_verdict(store, name))
            advance("verify", 1, len(names))
    tell(found, as_json, f"nothing is pinned in {store.uri}")


def _verdict(store: Store, name: str) -> Verdict:
    """Of what a pin names, or of a pin that says nothing."""
    from crossad.errors import DataError
    from crossad.supplies.pins import fetch_command, pin_key, read_pin
    from crossad.supplies.stock import check

    try:
        pin = read_pin(store, name)
        content, key, verdict = pin.content, pin.key, check(store, pin)
    except DataError as error:
        content, key, verdict = None, pin_key(name), f"damaged: {error.message}"
    again = fetch_command(name, "textures" if key.endswith(".zip") else "weights", store.uri)
    return Verdict({"content": content, "key": key}, name, verdict, f"{store.uri}/{key}", again)
