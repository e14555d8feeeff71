"""Which part of the data lock a training, an evaluation or a condition depends on.

A repaired or added target must not make the source's training stale, so each commit carries the hash of the parts it
read, not of the whole root. Without a lock file all are None and any commit of the key counts.
"""

from __future__ import annotations

from pathlib import Path

from crossad.conditions.model import Config
from crossad.conditions.plan import condition_parts, evaluation_parts, training_parts
from crossad.data.lock import lock_part


class Locks:
    """The hashes of the parts of `data.lock.json` that one condition reads."""

    def __init__(self, data: Path, config: Config) -> None:
        """Read the lock of the data root."""
        self._data, self._config = data, config
        self.training = lock_part(data, training_parts(config))
        self.condition = lock_part(data, condition_parts(config))

    def evaluation(self, domain: str) -> str | None:
        """The lock of one domain's evaluation: the training's parts and the domain's test split."""
        return lock_part(self._data, evaluation_parts(self._config, domain))
