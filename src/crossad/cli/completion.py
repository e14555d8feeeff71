"""`crossad completion`: the shell completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from crossad.errors import UsageError


@click.command(help="Print the shell completion script for bash, zsh or fish.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Write the script to standard output: `eval "$(crossad completion bash)"`."""
    from crossad.cli import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"no completion for shell: {shell}")
    click.echo(kind(cli, {}, "crossad", "_CROSSAD_COMPLETE").source())
