"""Where weights and textures come from, as a person names it: a folder of this machine, or a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from crossad.errors import UsageError
from crossad.store.opening import on_s3, open_store
from crossad.store.options import S3Options

if TYPE_CHECKING:
    from crossad.store.base import Store
    from crossad.store.patience import Patience


@dataclass(frozen=True)
class Shelf:
    """A folder, or `s3://bucket/prefix` and how to reach it; nothing is opened yet."""

    address: str
    options: S3Options = field(default_factory=S3Options)

    def __post_init__(self) -> None:
        """Refuse what is neither, and options that nobody would read.

        Raises:
            UsageError: it is.
        """
        if "://" in self.address and not self.remote:
            raise UsageError(f"--weights: got {self.address[:80]}", hint="allowed: a folder, or s3://bucket/prefix")
        if self.options != S3Options() and not self.remote:
            raise UsageError(f"--weights-option: only for --weights s3://bucket/prefix, got {self.address}")

    @property
    def remote(self) -> bool:
        """True for a bucket."""
        return on_s3(self.address)

    @property
    def folder(self) -> Path | None:
        """The folder with weights, where it is one."""
        return None if self.remote else Path(self.address)

    def store(self, patience: Patience | None = None) -> Store | None:
        """The bucket, where it is one; nothing is sent yet."""
        return open_store(self.address, self.options, patience) if self.remote else None

    @property
    def arguments(self) -> list[str]:
        """The options of a command line that name it."""
        found = ["--weights", self.address]
        for option in fields(S3Options):
            value = getattr(self.options, option.name)
            if value != option.default:
                found += ["--weights-option", f"{option.name}={value}"]
        return found


def as_shelf(where: Shelf | Path | str, options: Mapping[str, object] | None = None) -> Shelf:
    """What was opened already, or what lies at an address."""
    return where if isinstance(where, Shelf) else Shelf(str(where), S3Options.of(options or {}))
