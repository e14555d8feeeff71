"""The index of packed images: what a bucket (or a folder) holds for every domain and split, and the data lock.

<address>/crossad-data.json            the index, written last: what it does not name is not there
<address>/archives/<sha256>.zip        the images of one split, uncompressed
<address>/sidecars/<sha256>            metadata.csv or domain.json of a domain

Archives and sidecars are named by their bytes, so the same images are stored once, whoever packs them.
"""

from __future__ import annotations

import difflib
import hashlib
import unicodedata
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from crossad.errors import DataError, MissingInputError, first_fault
from crossad.files import canonical_json
from crossad.store.faults import ObjectMissing

if TYPE_CHECKING:
    from crossad.store.base import Store

NAME = "crossad-data.json"
REPACK = "pack the images anew: crossad data pack ROOT ADDRESS"
Split = Literal["train", "test"]
SideName = Literal["metadata.csv", "domain.json"]
MEMBER_BYTES = 1024  # an archive spends no more on an image's name and headers


def _domain_name(name: str) -> str:
    """A domain's name as a folder may have it, and no way out of the root."""
    control = any(unicodedata.category(sign) in ("Cc", "Cs") for sign in name)
    if not name or name[0] == "." or "/" in name or control or len(name.encode(errors="replace")) > 255:
        raise ValueError(f"no name of a domain: {name[:80]!r}")
    return name


DomainName = Annotated[str, AfterValidator(_domain_name)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=2**53, strict=True)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stored(_Model):
    """Bytes under a key."""

    key: str
    bytes: Count
    sha256: Sha256


class Archive(Stored):
    """The images of one split."""

    images: Count


class SideFile(Stored):
    """A file beside the splits."""

    path: SideName


class PackedDomain(_Model):
    """Everything of one domain."""

    files: tuple[SideFile, ...] = ()
    splits: dict[Split, Archive]


class SplitLock(_Model):
    """What the data lock says of one split."""

    images: Count
    bytes: Count
    sha256: Sha256


class Lock(_Model):
    """The data lock, as `data.lock.json` holds it."""

    format: Literal[1] = 1
    domains: dict[DomainName, dict[Split, SplitLock]]


class Index(_Model):
    """All that is packed under one address."""

    kind: Literal["crossad-data"] = "crossad-data"
    format: Literal[1] = 1
    lock: Lock
    domains: dict[DomainName, PackedDomain]

    @model_validator(mode="after")
    def _agrees(self) -> Index:
        """Archives and lock tell of the same splits, and no archive can be a bomb."""
        if self.domains.keys() != self.lock.domains.keys():
            raise ValueError("the lock and the archives name other domains")
        for name, domain in self.domains.items():
            locks = self.lock.domains[name]
            if domain.splits.keys() != locks.keys():
                raise ValueError(f"the lock and the archives name other splits of {name}")
            for split, archive in domain.splits.items():
                lock = locks[split]
                beyond = archive.bytes - lock.bytes
                if archive.images != lock.images or not 0 <= beyond <= (archive.images + 1) * MEMBER_BYTES:
                    raise ValueError(f"the lock and the archive of {name}/{split} differ in images or bytes")
        return self

    @property
    def text(self) -> str:
        """Its JSON; the same images give the same text."""
        return canonical_json(self.model_dump(mode="json")) + "\n"

    @property
    def sha256(self) -> str:
        """What names the data root that is made of it."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def lock_record(self) -> dict[str, Any]:
        """The data lock, as a root's `data.lock.json` would hold it."""
        return self.lock.model_dump(mode="json")

    def domain(self, name: str, where: str) -> PackedDomain:
        """One domain.

        Raises:
            MissingInputError: it is not packed.
        """
        if name not in self.domains:
            near = difflib.get_close_matches(name.lower(), [one.lower() for one in self.domains], n=1)
            match = next((one for one in self.domains if near and one.lower() == near[0]), None)
            hint = f"did you mean {match}?" if match else f"domains there: {', '.join(sorted(self.domains)) or 'none'}"
            raise MissingInputError(f"no such domain: {name} in {where}", hint=hint)
        return self.domains[name]

    def archive(self, domain: str, split: str, where: str) -> Archive:
        """The archive of one split.

        Raises:
            MissingInputError: domain or split is not packed.
        """
        for name, archive in self.domain(domain, where).splits.items():
            if name == split:
                return archive
        raise MissingInputError(f"domain {domain} has no {split} split in {where}", hint=REPACK)

    def split_lock(self, domain: str, split: str) -> SplitLock:
        """What the lock says of a split that is packed."""
        return next(lock for name, lock in self.lock.domains[domain].items() if name == split)


def archive_key(sha256: str) -> str:
    """Where the archive of that hash lies."""
    return f"archives/{sha256}.zip"


def sidecar_key(sha256: str) -> str:
    """Where the sidecar of that hash lies."""
    return f"sidecars/{sha256}"


def find_index(store: Store) -> Index | None:
    """The index of a store, or None where nothing is packed.

    Raises:
        DataError: what lies there is no index of this version, or contradicts itself.
    """
    try:
        data = store.get(NAME)
    except ObjectMissing:
        return None
    try:
        return Index.model_validate_json(data)
    except ValidationError as error:
        told = f"not an index of packed images: {first_fault(error)}"
        raise DataError(f"{store.uri}/{NAME}: {told}", hint=REPACK) from error


def read_index(store: Store) -> Index:
    """The index of a store.

    Raises:
        MissingInputError: nothing is packed there.
        DataError: as `find_index`.
    """
    index = find_index(store)
    if index is None:
        raise MissingInputError(
            f"no packed images: {store.uri}/{NAME} is not there", hint=f"crossad data pack ROOT {store.uri}"
        )
    return index
