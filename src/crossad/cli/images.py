"""Where images live, as options: `--data`, `--data-cache` and `--data-option`, one `data` for every verb.

An address stays a text until it is opened: as a path, s3://bucket would lose a slash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossad.cli.place import parse_options

if TYPE_CHECKING:
    from crossad.data.places import Images
    from crossad.store.options import S3Options
    from crossad.store.patience import Patience

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
OPTION = "--data-option"


@dataclass(frozen=True)
class Address:
    """What the options say; nothing is opened yet."""

    text: str | None = None
    cache: Path | None = None
    options: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The options again, for a command that is shown; nothing where nothing was said."""
        import shlex

        data = ["--data", self.text] if self.text else []
        cache = ["--data-cache", str(self.cache)] if self.cache else []
        options = [word for option in self.options for word in (OPTION, option)]
        return shlex.join([*data, *cache, *options])

    def settings(self, *, brief: bool = False) -> S3Options:
        """How to reach a bucket.

        Args:
            brief: give up after half a minute unless an option says how long.

        Raises:
            UsageError: an option is wrong.
        """
        return parse_options(self.options, brief=brief, option=OPTION)

    def open(self, default: str, patience: Patience | None = None) -> Images:
        """Open what was named, else the default.

        Args:
            default: taken where no --data was given.
            patience: how long to wait for a bucket; by default as long as is fair to a person who looks on, while
                trainers that are started with these images wait as their options say.

        Raises:
            UsageError: it is no address, or an option is wrong or of no use.
        """
        from crossad.data.places import open_images
        from crossad.errors import UsageError
        from crossad.store.opening import on_s3
        from crossad.store.patience import Patience

        address = self.text or default
        remote = on_s3(address)
        if self.options and not remote:
            raise UsageError(f"{OPTION}: only for --data s3://bucket/prefix, got {address}")
        if not remote:
            return open_images(address, self.cache)
        patience = patience or Patience(self.settings(brief=True).patience_seconds)
        return open_images(address, self.cache, self.settings(), patience)


def _options(told: str) -> tuple[Decorator, ...]:
    return (
        click.option("--data", default=None, metavar="DATA", help=told),
        click.option(
            "--data-cache",
            type=click.Path(path_type=Path),
            default=None,
            help="Folder for packed images that are fetched.  [default: CROSSAD_CACHE, ~/.cache/crossad]",
        ),
        click.option(
            OPTION,
            "data_options",
            multiple=True,
            metavar="NAME=VALUE",
            help="How to reach a bucket with images: endpoint, region, profile, …",
        ),
    )


def data_options(default: str) -> Decorator:
    """The three options, passed on as one `data`; `default` says what is taken without them."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def bundled(
            *args: Any,  # noqa: ANN401 - whatever else the verb takes
            data: str | None,
            data_cache: Path | None,
            data_options: tuple[str, ...],
            **options: Any,  # noqa: ANN401 - as above
        ) -> Any:  # noqa: ANN401 - as above
            return function(*args, data=Address(data, data_cache, data_options), **options)

        decorated: Callable[..., Any] = bundled
        for option in reversed(_options(f"Where images live: a folder, or s3://bucket/prefix.  [default: {default}]")):
            decorated = option(decorated)
        return decorated

    return decorate
