"""What a model needs beside images: pretrained weights and textures, from this machine or from a store, never a hub."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crossad.assets import ASSETS, locate
from crossad.conditions.model import Config
from crossad.conditions.plan import wanted_weights
from crossad.errors import MissingInputError
from crossad.store.base import Store
from crossad.supplies.bring import bring
from crossad.supplies.pins import NAME, Kind, fetch_command, find_pin, pin_key
from crossad.supplies.textures import PREFIX
from crossad.trainer.context import Context


@dataclass(frozen=True)
class Supplies:
    """What a model is built from: everything in it lies on this machine."""

    config: Config  # the condition's; textures that came from a store are a folder in it
    weights_dir: Path | None


def find_supplies(context: Context) -> Supplies:
    """Exactly what the condition's model needs: the store of --weights first, then this machine, then the run's store.

    Raises:
        MissingInputError: it is nowhere; the message names every place, the hint the command that pins it.
        DataError: what a store has is not what was pinned.
    """
    return Supplies(_with_textures(context), _weights(context))


def _weights(context: Context) -> Path | None:
    task = context.task
    name = wanted_weights(context.config)
    if name is None:
        return task.weights_dir
    if task.weights_store is not None and (found := _from(task.weights_store, name, "weights", context)):
        return found
    try:
        locate(name, task.weights_dir)
    except MissingInputError as error:
        if found := _from(context.home.state, name, "weights", context):
            return found
        raise _nowhere(context, error, name, "weights") from error
    return task.weights_dir


def _with_textures(context: Context) -> Config:
    named = str(getattr(context.config, "anomaly_source", ""))
    name = named.removeprefix(PREFIX)
    if not named.startswith(PREFIX) or Path(name).is_dir() or not NAME.fullmatch(name):
        return context.config
    for store in _stores(context):
        if found := _from(store, name, "textures", context):
            return context.config.model_copy(update={"anomaly_source": f"{PREFIX}{found}"})
    error = MissingInputError(
        f"no such texture folder: {name} (config.anomaly_source {named})",
        hint="put the images there, or set anomaly_source to procedural_v1",
    )
    raise _nowhere(context, error, name, "textures")


def _stores(context: Context) -> Iterator[Store]:
    if context.task.weights_store is not None:
        yield context.task.weights_store
    yield context.home.state


def _from(store: Store, name: str, kind: Kind, context: Context) -> Path | None:
    """What a store has under a name, as a folder here; None where the name is not pinned."""
    pin = find_pin(store, name, kind)
    if pin is None:
        return None
    folder = bring(store, pin, context.reporter.stage)
    context.reporter.fact(f"{kind.capitalize()}: {name} {pin.content} from {store.uri}")
    return folder


def _nowhere(context: Context, error: MissingInputError, name: str, kind: Kind) -> MissingInputError:
    """The error, with the stores that were asked and the command that pins it into the first of them."""
    asked = ", ".join(f"{store.uri}/{pin_key(name)}" for store in _stores(context))
    hint = error.hint
    uri = context.task.weights_store.uri if context.task.weights_store else context.home.uri
    if context.home.remote or context.task.weights_store:
        hub = " --from-hub" if kind == "weights" and ASSETS[name].package is None else ""
        hint = f"pin it once: {fetch_command(name, kind, uri)}{hub}; every trainer finds it there"
    return MissingInputError(f"{error.message}, {asked}", hint=hint)
