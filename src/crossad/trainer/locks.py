"""Which part of the data lock a training, an evaluation or a condition depends on.

A repaired or added target must not make the source's training stale, so each commit carries the hash of the parts it
read, not of the whole root. Without a lock file all are None and any commit of the key counts.
"""

from __future__ import annotations

from pathlib import Path

from crossad.conditions.model import Config
from crossad.data.lock import lock_part


class Locks:
    """The hashes of the parts of `data.lock.json` that one condition reads."""

    def __init__(self, data: Path, config: Config) -> None:
        """Read the lock once."""
        source = config.source_domain
        parts = [(source, "train")] if config.validation == "holdout" else [(source, "train"), (source, "test")]
        self._data, self._training_parts = data, parts
        self._own_statistics = config.normalisation == "domain_stats"
        targets = config.target_domains or ()
        self.training = lock_part(data, parts)
        everything = {part for domain in (source, *targets) for part in self._evaluation_parts(domain)}
        self.condition = lock_part(data, sorted(everything))

    def evaluation(self, domain: str) -> str | None:
        """The lock of one domain's evaluation: the training's parts and the domain's test split."""
        return lock_part(self._data, self._evaluation_parts(domain))

    def _evaluation_parts(self, domain: str) -> list[tuple[str, str]]:
        own = [(domain, "test"), *([(domain, "train")] if self._own_statistics else [])]
        return sorted({*self._training_parts, *own})
