"""Where weights and textures are looked for first, as options: `--weights` and `--weights-option`, one `weights`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from crossad.cli.place import parse_options

if TYPE_CHECKING:
    from crossad.supplies.place import Shelf

OPTION = "--weights-option"


@dataclass(frozen=True)
class Weights:
    """What the options say; nothing is opened yet."""

    address: str | None = None
    options: tuple[str, ...] = ()

    def shelf(self) -> Shelf | None:
        """The folder or bucket; None where nothing was said.

        Raises:
            UsageError: it is no address, or an option is wrong or of no use.
        """
        from crossad.errors import UsageError
        from crossad.supplies.place import Shelf

        if self.address is None:
            if self.options:
                raise UsageError(f"{OPTION}: only for --weights s3://bucket/prefix")
            return None
        return Shelf(self.address, parse_options(self.options, option=OPTION))


_OPTIONS = (
    click.option(
        "--weights",
        default=None,
        metavar="WEIGHTS",
        help="Folder with pretrained weights, or s3://bucket/prefix.  [default: this machine, then the run's store]",
    ),
    click.option(
        OPTION,
        "weights_options",
        multiple=True,
        metavar="NAME=VALUE",
        help="How to reach a bucket with weights: endpoint, region, profile, …",
    ),
)


def weights_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The two options, passed on as one `weights`."""

    @wraps(function)
    def bundled(
        *args: Any,  # noqa: ANN401 - whatever else the verb takes
        weights: str | None,
        weights_options: tuple[str, ...],
        **options: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        return function(*args, weights=Weights(weights, weights_options), **options)

    for option in reversed(_OPTIONS):
        bundled = option(bundled)
    return bundled
