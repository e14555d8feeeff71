"""Random streams that need no history: a generator is a pure function of (seed, purpose, step).

Resume at step k therefore never replays steps 0..k-1, and adding a draw for one purpose moves no other.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, purpose: str, step: int = 0) -> int:
    """A 63-bit seed for one purpose ("init", "order", "faults", "coreset", "dropout", ...) at one step."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(seed: int, purpose: str, step: int = 0) -> np.random.Generator:
    """A numpy generator for one purpose at one step."""
    return np.random.Generator(np.random.PCG64(derive(seed, purpose, step)))
