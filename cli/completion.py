"""`ridgeway completion SHELL`: print what makes the shell complete ridgeway's commands and options."""

import click
from click.shell_completion import get_completion_class

from ridgeway.cli.command import Command


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a completion script for a shell.

    \b
    bash:  eval "$(ridgeway completion bash)"
    zsh:   eval "$(ridgeway completion zsh)"
    fish:  ridgeway completion fish | source
    """
    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(script(ctx.find_root().command, {}, "ridgeway", "_RIDGEWAY_COMPLETE").source())
