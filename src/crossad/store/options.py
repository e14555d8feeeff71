"""How to reach a store on S3: closed, frozen, and without any place for a secret."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints
from urllib.parse import urlsplit

from crossad.errors import UsageError

Addressing = Literal["auto", "path", "virtual"]
Checksums = Literal["auto", "when_required", "when_supported"]
CommitMode = Literal["auto", "conditional", "plain"]
MIB = 2**20
SMALLEST_PART = 5 * MIB  # the protocol's own limit


@dataclass(frozen=True)
class S3Options:
    """Settings of one S3 store. Credentials are never here: the standard chain, a profile or files bring them."""

    endpoint: str | None = None  # https://host:port; None: AWS_ENDPOINT_URL_S3, the profile, or AWS itself
    region: str | None = None  # None: AWS_REGION, the profile, or us-east-1
    profile: str | None = None  # of the shared configuration files
    addressing: Addressing = "auto"  # auto: path for a custom endpoint, virtual on AWS
    ca_bundle: str | None = None  # file of trusted certificates; None: AWS_CA_BUNDLE or the system's
    checksums: Checksums = "auto"  # auto: when_supported on AWS; elsewhere what the server verifies, see guard.py
    commit: CommitMode = "auto"  # auto: asks the server once whether it honours If-None-Match
    sse: Literal["AES256", "aws:kms"] | None = None  # server-side encryption header of every write
    sse_kms_key_id: str | None = None  # needs sse="aws:kms"
    patience_seconds: float = 4 * 3600.0  # to wait for a store that does not answer
    settle_seconds: float = 3.0  # plain mode: until a claim counts as seen by all
    attempts: int = 8  # of one request, by the client library, before a round of patience
    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 60.0
    part_bytes: int = 16 * MIB  # of a multipart upload
    threads: int = 4  # parts on their way at once; memory is at most threads x part_bytes

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for option in fields(self):
            _check_choice(option.name, getattr(self, option.name))
        if self.sse_kms_key_id is not None and self.sse != "aws:kms":
            raise UsageError("store option sse_kms_key_id needs sse: aws:kms", hint="set both, or neither")
        if self.part_bytes < SMALLEST_PART:
            raise UsageError(f"store option part_bytes: got {self.part_bytes}, allowed {SMALLEST_PART} or more")
        for name in ("attempts", "threads"):
            if getattr(self, name) < 1:
                raise UsageError(f"store option {name}: got {getattr(self, name)}, allowed 1 or more")
        if self.endpoint is not None:
            check_endpoint(self.endpoint)
        if self.ca_bundle is not None and not Path(self.ca_bundle).is_file():
            raise UsageError(f"store option ca_bundle: no such file: {self.ca_bundle}")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> S3Options:
        """Options from a settings file's keys.

        Raises:
            UsageError: a key is unknown, or one that would hold a secret.
        """
        known = [option.name for option in fields(cls)]
        for name in settings:
            if name in known:
                continue
            if any(word in name.lower() for word in ("secret", "access_key", "token", "password")):
                raise UsageError(
                    f"store option {name}: a literal credential is refused",
                    hint="name a profile, or set AWS_SHARED_CREDENTIALS_FILE to a mounted file",
                )
            near = difflib.get_close_matches(name, known, n=1)
            raise UsageError(
                f"unknown store option: {name}" + (f"; did you mean {near[0]}?" if near else ""),
                hint=f"allowed: {', '.join(known)}",
            )
        return cls(**settings)


def _check_choice(name: str, value: object) -> None:
    """A value of a closed list is one of the list."""
    kinds = get_type_hints(S3Options)[name]
    options = [choice for part in (kinds, *get_args(kinds)) for choice in get_args(part) if isinstance(choice, str)]
    if options and value is not None and value not in options:
        raise UsageError(f"store option {name}: got {value!r}, allowed {', '.join(options)}")


def check_endpoint(endpoint: str) -> None:
    """An endpoint is a URL with a scheme, a host, and no credentials; "http" is said, never assumed."""
    parts = urlsplit(endpoint)
    if "@" in endpoint:  # anywhere: a secret may hold a slash, and would end the host
        raise UsageError(
            "store option endpoint: credentials in the URL are refused", hint="use a profile, or files; docs/store.md"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(
            f"store option endpoint: got {endpoint!r}, allowed https://HOST[:PORT] (or http:// where that is meant)"
        )
