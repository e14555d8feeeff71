"""`crossad data`: check a data root before the first GPU, import raw `.mat` arrays; packing is in `data_pack`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossad.cli import VERBS
from crossad.cli.bad_input import bad_input
from crossad.cli.data_pack import fetch, pack
from crossad.cli.operate import json_option
from crossad.cli.sizes import image_size

if TYPE_CHECKING:
    from crossad.data.importing import Imported
    from crossad.data.preflight import Report

LINES = 100  # findings that a person is shown; JSON has all


def _folder(context: click.Context, parameter: click.Parameter, value: str) -> Path:
    """A data root in a folder: packed images are looked at where they were fetched to."""
    if value.startswith("s3:"):
        raise click.BadParameter(
            f'{value} is packed; fetch it first: crossad data {context.info_name} "$(crossad data fetch {value})"'
        )
    return Path(value)


_HELP = f"""{VERBS["data"]}

\b
crossad data check data/hdmap
crossad data import raw/class1_sensor3 --domain domain_A --class 1 --sensor 3 -o data/hdmap
crossad data pack data/hdmap s3://bucket/hdmap
crossad data fetch s3://bucket/hdmap
"""
_CHECK_HELP = """Look at every image of a data root, say all that is wrong, write data.lock.json.

\b
crossad data check data/hdmap
crossad data check data/hdmap --no-lock --json
crossad data check data/hdmap --verify

Looks for missing and empty sets, unreadable files, file kinds, sizes and ways of resizing that differ between splits
or domains, and images that are there twice or nearly. The lock holds a hash of every split; results remember it.
--verify only compares the images with the lock that is there.
Exit codes: 0 no errors (warnings allowed), 2 errors (no lock is written) or, with --verify, changes.
"""
_IMPORT_HELP = """Turn MATLAB arrays of Health Data Maps into one domain of a data root.

\b
crossad data import raw/class1_sensor3 --domain domain_A --class 1 --sensor 3 -o data/hdmap
crossad data import --domain domain_A --train-good a.mat --test-good b.mat --test-fault c.mat -o data/hdmap
crossad data import raw --domain domain_A -o data/hdmap --size 224x224 --format png16 --headroom 3

SRC are folders whose .mat files are told apart by folder names: ..._TSA_DIF_train or ..._TSA_DIF_test for the split,
Normal... or ..._fault... for the label. Where yours have other names, name the files. Files are of MATLAB version
5 to 7, key Xdata, 31 x 95 x 1 x N.
The order of the maps is kept. A domain is written whole or not at all, never over another one.
Exit codes: 0 done, 2 bad input.
"""
_file = click.Path(path_type=Path, dir_okay=False)


@click.group(help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Check, import, pack and fetch data."""


command.add_command(pack)
command.add_command(fetch)


@command.command("check", help=_CHECK_HELP, short_help="Check every image of a data root, write its lock.")
@click.argument("root", metavar="ROOT", callback=_folder)
@click.option("--no-lock", is_flag=True, help="Do not write data.lock.json.")
@click.option("--verify", is_flag=True, help="Only compare with the lock that is there.")
@json_option
def check(root: Path, no_lock: bool, verify: bool, as_json: bool) -> None:
    """Check, or compare with the lock."""
    if verify:
        _verify(root, as_json)
        return
    with bad_input():
        from crossad.cli.progress import progress
        from crossad.data.lock import NAME, write_lock
        from crossad.data.preflight import check as preflight

        with progress() as advance:
            report = preflight(root, advance)
        locked = not report.errors and not no_lock
        if locked:
            try:
                write_lock(root, report.sha256)
            except OSError as error:
                _refuse_lock(root / NAME, error)
    if as_json:
        click.echo(json.dumps(report.record() | {"lock": str(root / NAME) if locked else None}, indent=2))
    else:
        _say(report)
    _end(report, root, locked)


def _refuse_lock(path: Path, error: OSError) -> None:
    from crossad.errors import DataError

    raise DataError(f"cannot write {path}: {error.strerror}", hint="add --no-lock where the folder is read-only")


def _say(report: Report) -> None:
    """Sets as a table, then the findings."""
    width = max([3, *map(len, report.sets)])
    click.echo(f"{'set':<{width}}  {'images':>7}  {'size':<11}  {'range':<14}  kind")
    for name, facts in report.sets.items():
        low, high = facts["range"]
        sizes, kinds = " ".join(facts["sizes"]), " + ".join(facts["kinds"])
        click.echo(f"{name:<{width}}  {facts['images']:>7}  {sizes:<11}  {f'{low:.3g} to {high:.3g}':<14}  {kinds}")
    synthetic = [name for name, facts in report.domains.items() if facts.synthetic]
    if synthetic:
        click.echo(f"SYNTHETIC: {', '.join(synthetic)}")
    for finding in report.findings[:LINES]:
        click.echo(finding.sentence())
        if finding.hint:
            click.echo(f"  hint: {finding.hint}")
    if len(report.findings) > LINES:
        click.echo(f"and {len(report.findings) - LINES} more; --json names all")


def _end(report: Report, root: Path, locked: bool) -> None:
    errors, warnings = len(report.errors), len(report.findings) - len(report.errors)
    click.echo(f"{root}: errors: {errors}, warnings: {warnings}", err=True)
    if errors:
        click.echo(f"no lock was written\nnext: mend the errors, then: crossad data check {root}", err=True)
        raise SystemExit(2)
    if locked:
        click.echo(f"lock written: {root / 'data.lock.json'}", err=True)
    click.echo(f"next: crossad run SUITE --data {root}", err=True)


def _verify(root: Path, as_json: bool) -> None:
    """Compare with the lock and say what changed."""
    with bad_input():
        from crossad.data.layout import list_domains
        from crossad.data.lock import NAME, changes, read_lock
        from crossad.errors import MissingInputError

        list_domains(root)
        if read_lock(root) is None:
            raise MissingInputError(f"no lock: {root / NAME}", hint=f"write one: crossad data check {root}")
        found = changes(root)
    if as_json:
        click.echo(json.dumps({"root": str(root), "ok": not found, "changes": found}, indent=2))
    else:
        click.echo("\n".join(found) or f"{root} is what its lock says")
    if found:
        click.echo(f"results made from the old images will count as stale\nnext: crossad data check {root}", err=True)
        raise SystemExit(2)


def _shape(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int]:
    found = image_size(context, parameter, value)
    if found is None:
        raise click.BadParameter("got 'native', allowed: HxW such as 31x95")
    return found


_IMPORT_OPTIONS = (
    click.option("--domain", required=True, help="Name of the domain's folder, such as domain_A."),
    click.option("--train-good", multiple=True, type=_file, help="File of healthy maps to train on; again for more."),
    click.option("--test-good", multiple=True, type=_file, help="File of healthy maps to test on; again for more."),
    click.option("--test-fault", multiple=True, type=_file, help="File of faulty maps to test on; again for more."),
    click.option("--class", "operating_class", help="Operating class, written down in domain.json."),
    click.option("--sensor", help="Sensor, written down in domain.json."),
    click.option("--size", default="native", show_default=True, callback=image_size, help="HxW (bilinear), or native."),
    click.option(
        "--format",
        default="tiff",
        show_default=True,
        type=click.Choice(["tiff", "png16", "png8"]),
        help="32-bit float TIFF (nothing is clipped), or PNG of 16 or 8 bits.",
    ),
    click.option(
        "--scale",
        default="train-max",
        show_default=True,
        type=click.Choice(["train-max", "raw"]),
        help="What the stored value 1.0 is: the largest training value, or 1.0.",
    ),
    click.option(
        "--headroom",
        default=1.0,
        show_default=True,
        type=click.FloatRange(min=0, min_open=True, max=1e6),
        help="Times the scale: room for faults brighter than all training maps, which a PNG would clip.",
    ),
    click.option("--limit", type=click.IntRange(1), help="At most so many maps a split and label, spread over all."),
    click.option("--cold-warm", is_flag=True, help="The first half of each test set is cold, the second warm."),
    click.option("--key", default="Xdata", show_default=True, help="Name of the variable."),
    click.option("--shape", default="31x95", show_default=True, callback=_shape, help="HxW of a map in the files."),
)


def _import_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_IMPORT_OPTIONS):
        function = option(function)
    return function


@command.command("import", help=_IMPORT_HELP, short_help="Turn .mat arrays into a domain of a data root.")
@click.argument("src", nargs=-1, metavar="[SRC]...", type=click.Path(path_type=Path))
@click.option("-o", "root", metavar="ROOT", required=True, type=click.Path(path_type=Path), help="The data root.")
@_import_options
@json_option
def import_(src: tuple[Path, ...], root: Path, as_json: bool, **asked: Any) -> None:  # noqa: ANN401 - the options above
    """Import one domain and say what was found."""
    with bad_input():
        from crossad.cli.progress import progress, stoppable
        from crossad.data.importing import Import, import_domain
        from crossad.data.mat import Sources, discover
        from crossad.errors import UsageError

        named = Sources(*(asked.pop(part) for part in ("train_good", "test_good", "test_fault")))
        if bool(src) == any(named.parts.values()):
            raise UsageError(
                "got folders and files, allowed: one of the two" if src else "nothing to import",
                hint="crossad data import FOLDER ..., or --train-good FILE --test-good FILE --test-fault FILE",
            )
        with stoppable(), progress() as advance:
            done = import_domain(root, Import(sources=discover(src) if src else named, **asked), advance)
    target = root / asked["domain"]
    if as_json:
        state = "written" if done.fresh else "already there"
        click.echo(json.dumps({"domain": str(target), "state": state} | done.facts, indent=2))
    else:
        _say_import(target, done)
    click.echo(f"next: crossad data check {root}", err=True)


def _say_import(target: Path, done: Imported) -> None:
    counts = ", ".join(f"{part}: {count}" for part, count in done.facts["images"].items())
    click.echo(f"{target}: {'written' if done.fresh else 'already there'}: {counts}")
    click.echo(f"1.0 is {done.facts['scale']:.6g} in the units of the files")
    clipped, largest = done.facts.get("clipped_share"), done.facts.get("largest_value")
    if clipped:
        keeps = math.ceil(largest * done.facts["headroom"] * 10) / 10
        click.echo(f"warning: {clipped:.2%} of all pixels were clipped; --headroom {keeps:g} would keep all")
