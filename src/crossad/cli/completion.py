"""`crossad completion`: the shell completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from crossad.errors import UsageError

_HELP = """Print the shell completion script for bash, zsh or fish.

\b
eval "$(crossad completion bash)"                                        this shell
crossad completion bash > ~/.local/share/bash-completion/completions/crossad
crossad completion zsh > ~/.zfunc/_crossad                               with ~/.zfunc in fpath
crossad completion fish > ~/.config/fish/completions/crossad.fish

Completes verbs, options, files, and the names of runs and conditions below --results-dir.
"""


@click.command(help=_HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Write the script to standard output."""
    from crossad.cli import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"no completion for shell: {shell}")
    click.echo(kind(cli, {}, "crossad", "_CROSSAD_COMPLETE").source())
