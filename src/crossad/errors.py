"""Every error crossad raises on purpose.

CrossadError            1   anything a user can act on
├── UsageError         64   the command line makes no sense
├── ConditionError     65   a suite, a condition or a value in it
├── DataError          65   images, records or archives that cannot be used
├── MissingInputError  66   a file, domain, weight or texture folder that is not there
├── DeterministicError 70   would fail again the same way: device out of memory, non-finite loss
├── InterruptedRun     75   stopped from outside; progress is saved
└── EnvironmentFault   78   the machine lacks what was asked for: CUDA, disk, a package

The number is the process's exit code (sysexits.h; spec: contracts, "Exit codes"). A message says what, where, got,
allowed; `hint` is the next step and is shown on a line of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


LONGEST = 300  # characters of a fault in a document


class CrossadError(Exception):
    """Base of all errors that reach a user as one message instead of a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Keep the message and the next step apart, so that callers can show or record either."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class UsageError(CrossadError):
    """The command line makes no sense."""

    exit_code = 64


class ConditionError(CrossadError):
    """A suite file, a condition, or a value in it is wrong."""

    exit_code = 65


class DataError(CrossadError):
    """Data that is there cannot be used: unreadable, empty, of one class, of the wrong shape."""

    exit_code = 65


class MissingInputError(CrossadError):
    """Something that a condition names is not there: a domain, weights, a texture folder."""

    exit_code = 66


class DeterministicError(CrossadError):
    """The same work would fail again in the same way: device out of memory, non-finite loss."""

    exit_code = 70


class InterruptedRun(CrossadError):  # noqa: N818 - not an error of the program: somebody asked it to stop
    """Stopped from outside (SIGTERM, Ctrl-C); everything done so far is saved."""

    exit_code = 75


class EnvironmentFault(CrossadError):  # noqa: N818 - the fault is the machine's
    """The machine lacks what was asked for: a CUDA device, disk space, a package."""

    exit_code = 78


def first_fault(error: ValidationError, whole: str = "") -> str:
    """Where in a document its first fault is, and what: "conditions.0.name: Field required".

    Args:
        error: what pydantic says of a document that is checked against a model.
        whole: what to call the document where the fault is not in a part of it.
    """
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    told = f"{where}: {first['msg']}" if where else str(first["msg"])
    # a name of a stranger's document may be long, and may move a terminal's cursor
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in told)[:LONGEST]
