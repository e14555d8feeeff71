"""Where runs live, as options: `--results-dir`, `--store` and `--store-option`, one `place` for every verb."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import threading

    from crossad.results.home import Home
    from crossad.store.options import S3Options
    from crossad.store.patience import Patience

RESULTS = Path("results")
BRIEF = 30.0  # seconds that a verb for people waits for a store; trainers wait for hours


@dataclass(frozen=True)
class Place:
    """What the options say; nothing is opened yet."""

    store: str | None = None
    results_dir: Path | None = None
    options: tuple[str, ...] = ()

    @property
    def results(self) -> Path:
        """The local folder: the store itself, or a bucket's working folder."""
        from crossad.store.opening import on_s3

        if self.results_dir is None and self.store and not on_s3(self.store):
            return Path(self.store)
        return self.results_dir or RESULTS

    @property
    def words(self) -> str:
        """The options again, for a command that is shown."""
        import shlex

        store = ["--store", self.store] if self.store else []
        folder = ["--results-dir", str(self.results)] if not self.store or self.results_dir else []
        options = [word for option in self.options for word in ("--store-option", option)]
        return shlex.join([*store, *folder, *options])

    def waiting_home(self, gave_up: threading.Event) -> Home:
        """Open it for long work: a bucket is waited for as its options say, until somebody gives up."""
        return self.home(waiting(parse_options(self.options), gave_up), brief=False)

    def home(self, patience: Patience | None = None, *, brief: bool = True) -> Home:
        """Open it.

        Args:
            patience: how to wait for a bucket, instead of by its options.
            brief: give up after `BRIEF` seconds unless an option says how long.

        Raises:
            UsageError: the options contradict each other, or one of them is wrong.
        """
        from crossad.errors import UsageError
        from crossad.results.home import open_home
        from crossad.store.opening import on_s3

        remote = self.store is not None and on_s3(self.store)
        if self.options and not remote:
            raise UsageError("--store-option: only for --store s3://bucket/prefix")
        if self.store is not None and not remote and self.results_dir is not None:
            raise UsageError(
                f"--store {self.store} and --results-dir {self.results_dir}: two folders",
                hint="name one; with --store s3://bucket/prefix, --results-dir is the working folder",
            )
        store = self.store or str(self.results)
        return open_home(store, self.results, parse_options(self.options, brief=brief) if remote else None, patience)


def waiting(options: S3Options, gave_up: threading.Event) -> Patience:
    """The patience of long work: as long as the options say, until somebody gives up."""
    from crossad.store.patience import Patience

    return Patience(options.patience_seconds).until(gave_up)


def parse_options(pairs: tuple[str, ...], *, brief: bool = False, option: str = "--store-option") -> S3Options:
    """`NAME=VALUE` pairs as options of an S3 store; a literal credential is refused.

    Raises:
        UsageError: a pair is none, a name is unknown, a value has the wrong type.
    """
    from crossad.errors import UsageError
    from crossad.store.options import S3Options

    given: dict[str, Any] = {"patience_seconds": BRIEF} if brief else {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"{option}: got {name[:40]!r}, allowed NAME=VALUE", hint="region=eu-central-1")
        given[name] = _number(name, text, option)
    return S3Options.of(given)


def _number(name: str, text: str, option: str) -> str | float | int:
    """The value in its option's type."""
    from dataclasses import fields

    from crossad.errors import UsageError
    from crossad.store.options import S3Options

    kinds: Mapping[str, type] = {
        known.name: type(known.default) for known in fields(S3Options) if isinstance(known.default, int | float)
    }
    kind = kinds.get(name)
    if kind is None:
        return text
    try:
        return int(text) if kind is int else float(text)
    except ValueError as error:
        raise UsageError(f"{option} {name}: got {text!r}, allowed a number") from error


_OPTIONS = (
    click.option(
        "--results-dir",
        "results_dir",
        type=click.Path(path_type=Path),
        default=None,
        help="Folder where runs live; with --store s3://…, where this machine works.  [default: results]",
    ),
    click.option("--store", default=None, metavar="STORE", help="Where runs live: a folder, or s3://bucket/prefix."),
    click.option(
        "--store-option",
        "store_options",
        multiple=True,
        metavar="NAME=VALUE",
        help="How to reach a bucket: endpoint, region, profile, addressing, ca_bundle, sse, …",
    ),
)


def place_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The three options, passed on as one `place`."""

    @wraps(function)
    def bundled(
        *args: Any,  # noqa: ANN401 - whatever else the verb takes
        results_dir: Path | None,
        store: str | None,
        store_options: tuple[str, ...],
        **options: Any,  # noqa: ANN401 - as above
    ) -> Any:  # noqa: ANN401 - as above
        return function(*args, place=Place(store, results_dir, store_options), **options)

    for option in reversed(_OPTIONS):
        bundled = option(bundled)
    return bundled
