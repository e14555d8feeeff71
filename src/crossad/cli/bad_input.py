"""How every verb but `train` ends on bad input: one message, exit code 2 (contracts, "Exit codes")."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from crossad.errors import ConditionError, DataError, MissingInputError, UsageError


@contextmanager
def bad_input() -> Iterator[None]:
    """Turn faults of what the user gave into a message and exit code 2."""
    try:
        yield
    except (UsageError, ConditionError, DataError, MissingInputError) as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(2) from error
