"""How test processes share the work: file by file, what takes longest first, and everything on the one node in one.

Without it (`--dist loadfile`) files go out by the number of their tests: those of the node, a test each, would come
last, one process waiting for another's node while the cores idle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer

NODE = "tests/node/"
# what takes minutes, the longest first; all else follows in its own order
LONGEST = (
    NODE, "tests/images/", "tests/trainer/", "tests/control/", "tests/faults/", "tests/documents/", "tests/test_docs.py"
)  # fmt: skip


class Units(LoadFileScheduling):
    """What one process does in one go: a file, or all that needs the node."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        config.option.loadscopereorder = False  # the order is ours
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return NODE if nodeid.startswith(NODE) else str(super()._split_scope(nodeid))


def rank(nodeid: str) -> int:
    """Where a test stands among those that take long; sorting by it keeps the order of all others."""
    return next((place for place, folder in enumerate(LONGEST) if nodeid.startswith(folder)), len(LONGEST))
