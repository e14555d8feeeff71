"""`crossad synth`: synthetic HDMAP domains to try everything on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossad.cli.bad_input import bad_input
from crossad.cli.operate import json_option
from crossad.cli.sizes import image_size

if TYPE_CHECKING:
    from crossad.synth.images import Request

_HELP = """Write synthetic HDMAP domains (physics-based, labelled synthetic).

\b
crossad synth data/hdmap
crossad synth data/default --preset default --train 1000 --test 2000 --jobs 8
crossad synth data/native --size native --format tiff

Four domains: A (class 1, sensor 3), B (class 1, sensor 1), C (class 3, sensor 3), D (class 3, sensor 1).
The same options give the same files; a domain that is already there is left alone. Presets (frozen):
easy, default, hard, null (faults of severity 0), trap (a brightness shortcut). Exit codes: 0 done, 2 bad input.
"""


_OPTIONS = (
    click.option("--preset", default="easy", show_default=True, help="How severe the faults are; full names: easy_v1."),
    click.option("--train", default=100, show_default=True, type=click.IntRange(1), help="Training images a domain."),
    click.option(
        "--test",
        default=100,
        show_default=True,
        type=click.IntRange(2),
        help="Test images a domain and label.",
    ),
    click.option("--size", default="224x224", show_default=True, callback=image_size, help="HxW, or native (31x95)."),
    click.option(
        "--format",
        default="png8",
        show_default=True,
        type=click.Choice(["png8", "png16", "tiff"]),
        help="8- or 16-bit PNG, or 32-bit float TIFF (exact).",
    ),
    click.option("--seed", default=42, show_default=True, type=click.IntRange(0), help="Everything follows from it."),
    click.option(
        "--fault",
        default="planet",
        show_default=True,
        type=click.Choice(["planet", "ring", "sun"]),
        help="The damaged gear: a horizontal, vertical or oblique line.",
    ),
)


def _request_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command(help=_HELP)
@click.argument("root", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--domains", default="A,B,C,D", show_default=True, help="Letters of the domains.")
@_request_options
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@json_option
def command(root: Path, domains: str, jobs: int, as_json: bool, **asked: Any) -> None:  # noqa: ANN401 - the options above
    """Write the domains, say what they are."""
    with bad_input():
        from crossad.synth.images import Request
        from crossad.synth.presets import find_domain, find_preset
        from crossad.synth.write import facts

        preset = find_preset(asked["preset"])
        letters = sorted({find_domain(name.strip()) for name in domains.split(",") if name.strip()})
        request = Request(**{**asked, "preset": preset.name})
        states = _write(root, letters, request, jobs)
    if as_json:
        told = {f"domain_{letter}": {"state": states[letter], **facts(letter, request)} for letter in letters}
        click.echo(json.dumps(told, indent=2))
    else:
        for letter in letters:
            known = facts(letter, request)
            machine = f"class {known['operating_class']}, sensor {known['sensor']}"
            click.echo(f"{root / f'domain_{letter}'}: {states[letter]}: SYNTHETIC, {machine}, {request.images} images")
        click.echo(f"preset {preset.name}: {preset.says}")
    click.echo(f"next: crossad data check {root}", err=True)


def _write(root: Path, letters: list[str], request: Request, jobs: int) -> dict[str, str]:
    from crossad.cli.progress import progress, stoppable
    from crossad.synth.write import write_domain

    states = {}
    total = len(letters) * request.images
    with stoppable(), progress() as advance:
        for letter in letters:
            fresh = write_domain(
                root,
                letter,
                request,
                workers=jobs,
                advance=lambda count: advance("synthetic images", count, total),
            )
            if not fresh:
                advance("synthetic images", request.images, total)
            states[letter] = "written" if fresh else "already there"
    return states
