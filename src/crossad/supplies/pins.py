"""What a store holds of weights and textures: their bytes under a hash, and a small pin under each name.

<store>/assets/<sha256>.safetensors    weights of one model
<store>/assets/<sha256>.zip            the images of one texture folder, uncompressed
<store>/assets/names/<name>.json       the pin: created once, after the bytes; it never changes, because results
                                       are remembered by what it names
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from crossad.errors import DataError, first_fault
from crossad.files import canonical_json
from crossad.results.layout import STATE

if TYPE_CHECKING:
    from crossad.store.base import Store

FOLDER = "assets"
NAMES = f"{FOLDER}/names/"
SUFFIX = {"weights": "safetensors", "textures": "zip"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
Kind = Literal["weights", "textures"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=2**53, strict=True)]


class Pin(BaseModel):
    """What a name means in a store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["crossad-asset"] = "crossad-asset"
    format: Literal[1] = 1
    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    type: Kind
    bytes: Count  # of the object
    sha256: Sha256  # of the object
    content: Sha256  # of tensors, or of names and bytes of images: what records call these weights or textures
    files: Count = 1  # images of a texture folder
    source: str  # where it came from
    licence: str | None = None  # as far as it was said

    @model_validator(mode="after")
    def _whole(self) -> Pin:
        if not self.files:
            raise ValueError("it has no files")
        return self

    @property
    def key(self) -> str:
        """Where its bytes lie."""
        return f"{FOLDER}/{self.sha256}.{SUFFIX[self.type]}"

    @property
    def text(self) -> str:
        """Its JSON."""
        return canonical_json(self.model_dump(mode="json")) + "\n"


def pin_key(name: str) -> str:
    """Where the pin of a name lies."""
    return f"{NAMES}{name}.json"


def fetch_command(name: str, kind: Kind, uri: str) -> str:
    """What a user types to pin something into a store."""
    what = name if kind == "weights" else f"--textures {name}=FOLDER"
    return f"crossad assets fetch {what} --store {typed(uri)}"


def typed(uri: str) -> str:
    """A store's address as people type it: a results folder, not the state in it."""
    return uri.removesuffix(f"/{STATE}")


def find_pin(store: Store, name: str, kind: Kind) -> Pin | None:
    """What a name means in a store; None where it is not pinned.

    Raises:
        DataError: what lies there is no pin of this version, or means something else.
    """
    if not NAME.fullmatch(name) or (data := store.read_once(pin_key(name))) is None:
        return None
    pin = read_pin(store, name, data)
    if pin.type != kind:
        raise DataError(f"{name} names {pin.type} in {store.uri}, not {kind}", hint=_list(store))
    return pin


def list_names(store: Store) -> Iterator[str]:
    """The names that are pinned in a store, in their order."""
    for entry in store.list(NAMES):
        name = entry.key.removeprefix(NAMES).removesuffix(".json")
        if entry.key == pin_key(name) and NAME.fullmatch(name):
            yield name


def read_pin(store: Store, name: str, data: bytes | None = None) -> Pin:
    """The pin of a name that `list_names` told.

    Raises:
        DataError: it is no pin of this version, or one of another name; or it is gone.
    """
    found = data if data is not None else store.read_once(pin_key(name))
    where = f"{store.uri}/{pin_key(name)}"
    try:
        pin = Pin.model_validate_json(found or b"")
    except ValidationError as error:
        raise DataError(f"not a pin of an asset: {where}: {first_fault(error)}", hint=_mend(where)) from error
    if pin.name != name:
        raise DataError(f"not the pin of {name}: {where} is that of {pin.name}", hint=_mend(where))
    return pin


def _mend(where: str) -> str:
    return f"use the version that wrote it, or delete {where} and fetch it into the store anew"


def _list(store: Store) -> str:
    return f"crossad assets list --store {typed(store.uri)}"
