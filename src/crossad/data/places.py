"""Where images live: a data root in a folder, or packed in a store; for everybody else both are one thing (`Images`).

images = open_images("s3://bucket/hdmap")
root = images.bring([("domain_A", "train"), ("domain_A", "test")])   # an ordinary data root on this machine
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Protocol

from crossad.data.archive import Advance
from crossad.data.cache import Cache, Part, default_cache, nothing
from crossad.data.index import NAME
from crossad.data.layout import domain_folder, list_domains, list_images
from crossad.data.lock import hash_parts, lock_part
from crossad.errors import UsageError
from crossad.store.base import Store
from crossad.store.opening import on_s3, open_store
from crossad.store.options import S3Options
from crossad.store.patience import Patience


class Images(Protocol):
    """The images of some domains, wherever they live. Only `bring` moves images."""

    @property
    def uri(self) -> str:
        """The address, as a plan remembers it."""

    @property
    def shown(self) -> str:
        """The address, as it was typed."""

    @property
    def arguments(self) -> list[str]:
        """The options of a command line that name these images."""

    @property
    def root(self) -> Path:
        """The data root on this machine, of which only the lock and what was brought can be read.

        Raises:
            MissingInputError: there are no images.
        """

    def domains(self) -> tuple[str, ...]:
        """All domains, brought or not."""

    def has(self, domain: str, split: str) -> bool:
        """Whether there is such a split.

        Raises:
            MissingInputError: there is no such domain.
        """

    def count(self, domain: str, split: str) -> int:
        """The number of images of a split."""

    def lock_part(self, parts: Sequence[Part]) -> str | None:
        """One hash over some parts of the data lock; None where there is no lock."""

    def bring(self, parts: Sequence[Part], advance: Advance = nothing) -> Path:
        """Have the images of some (domain, split) in the root, and return it.

        Raises:
            CrossadError: they are not there, not what they should be, or there is no room.
        """


class FolderImages:
    """A data root in a folder: everything is there already."""

    def __init__(self, root: Path) -> None:
        """Name the folder."""
        self._root = root

    @property
    def uri(self) -> str:
        """The folder, from anywhere."""
        return str(self._root.absolute())

    @property
    def shown(self) -> str:
        """The folder."""
        return str(self._root)

    @property
    def arguments(self) -> list[str]:
        """The option that names the folder."""
        return ["--data", str(self._root)]

    @property
    def root(self) -> Path:
        """The folder."""
        list_domains(self._root)  # says what to do where it is missing
        return self._root

    def domains(self) -> tuple[str, ...]:
        """The folders in it that are domains."""
        return list_domains(self._root)

    def has(self, domain: str, split: str) -> bool:
        """Whether its folder is there."""
        return (domain_folder(self._root, domain) / split).is_dir()

    def count(self, domain: str, split: str) -> int:
        """The files of a split that are images."""
        return len(list_images(self._root, domain, split))

    def lock_part(self, parts: Sequence[Part]) -> str | None:
        """From `data.lock.json`."""
        return lock_part(self._root, parts)

    def bring(self, parts: Sequence[Part], advance: Advance = nothing) -> Path:
        """The folder."""
        return self.root


class PackedImages:
    """Packed images: the index is read once, images are fetched into the cache when they are needed."""

    def __init__(self, store: Store, cache: Path, options: S3Options | None = None) -> None:
        """Take the opened store, the cache's folder, and how the store was opened; nothing is read yet."""
        self._store, self._folder, self._options = store, cache, options or S3Options()

    @cached_property
    def cache(self) -> Cache:
        """The cache, and in it the index."""
        return Cache(self._store, self._folder)

    @property
    def shown(self) -> str:
        """The store's address, as it was typed."""
        return self._store.uri

    @property
    def uri(self) -> str:
        """The store's address, from anywhere."""
        return self._store.uri if on_s3(self._store.uri) else str(Path(self._store.uri).absolute())

    @property
    def arguments(self) -> list[str]:
        """The options that name the store, how to reach it, and the cache."""
        given = [(one.name, getattr(self._options, one.name), one.default) for one in fields(S3Options)]
        pairs = [f"{name}={value}" for name, value, default in given if value != default]
        options = [word for pair in pairs for word in ("--data-option", pair)]
        return ["--data", self._store.uri, "--data-cache", str(self._folder), *options]

    @property
    def root(self) -> Path:
        """The data root in the cache."""
        return self.cache.begin()

    def domains(self) -> tuple[str, ...]:
        """All that are packed."""
        return tuple(sorted(self.cache.index.domains))

    def has(self, domain: str, split: str) -> bool:
        """From the index."""
        return split in self.cache.index.domain(domain, self.uri).splits

    def count(self, domain: str, split: str) -> int:
        """From the index."""
        return self.cache.index.archive(domain, split, self.uri).images

    def lock_part(self, parts: Sequence[Part]) -> str | None:
        """From the index."""
        return hash_parts(self.cache.index.lock_record, parts)

    def bring(self, parts: Sequence[Part], advance: Advance = nothing) -> Path:
        """Fetch what is not in the cache yet."""
        return self.cache.bring(parts, advance)


def open_images(
    address: str | Path,
    cache: Path | None = None,
    options: S3Options | None = None,
    patience: Patience | None = None,
) -> Images:
    """The images at a folder or `s3://bucket/prefix`; nothing is read or sent yet, but for a look into the folder.

    Args:
        address: a data root, or where `crossad data pack` put one (a bucket, or a folder).
        cache: folder for images that are fetched; by default `default_cache()`.
        options: how to reach a bucket.
        patience: how to wait for one, instead of by its options.

    Raises:
        UsageError: it is no such address.
    """
    text = os.fspath(address)
    if text.startswith("s3:") and not on_s3(text):
        raise UsageError(f"not an address of images: {text}", hint="allowed: a folder, or s3://bucket/prefix")
    if not on_s3(text) and "://" not in text and not (Path(text) / NAME).is_file():
        return FolderImages(Path(text))
    store = open_store(text, options, patience)
    return PackedImages(store, (cache or default_cache()).absolute(), options)


def as_images(where: Images | Path | str) -> Images:
    """What was opened already, or what lies at an address."""
    return open_images(where) if isinstance(where, Path | str) else where


def open_data(address: str | Path, parts: Sequence[Part], cache: Path | None = None) -> Path:
    """A data root on this machine with those (domain, split) in it: the folder itself, or what was packed, fetched."""
    return open_images(address, cache).bring(parts)
