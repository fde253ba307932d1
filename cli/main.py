"""The command line `ridgeway`. Everything heavy is imported by the command that needs it, when it runs."""

import sys
from pathlib import Path

import click

from ridgeway import __version__
from ridgeway.cli.command import EXIT_CODES, EXIT_INTERRUPTED
from ridgeway.cli.completion import completion
from ridgeway.cli.config import load_config
from ridgeway.cli.coordinator import coordinator
from ridgeway.cli.demo import demo
from ridgeway.cli.evaluate import evaluate
from ridgeway.cli.evict import evict
from ridgeway.cli.gateway import gateway
from ridgeway.cli.invite import invite
from ridgeway.cli.join import join
from ridgeway.cli.leave import leave
from ridgeway.cli.manifest import manifest
from ridgeway.cli.members import members
from ridgeway.cli.node import node
from ridgeway.cli.revoke import revoke
from ridgeway.cli.route import route
from ridgeway.cli.statistics import statistics
from ridgeway.cli.status import status

COMMANDS = (
    demo, coordinator, invite, join, node, leave, members, status, evict, revoke, route, gateway, evaluate,
    manifest, statistics, completion,
)  # fmt: skip


class OrderedGroup(click.Group):
    """Lists its commands in the order in which people need them."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Names in the order of definition."""
        return list(self.commands)


def _configure(ctx: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and isinstance(ctx.command, click.Group):
        ctx.default_map = load_config(path, ctx.command)
    return path


@click.group(
    cls=OrderedGroup, epilog=EXIT_CODES, context_settings={"auto_envvar_prefix": "RIDGEWAY", "max_content_width": 100}
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="RIDGEWAY_CONFIG",
    callback=_configure,
    is_eager=True,
    expose_value=False,
    help="Read defaults for options from a TOML file: a table for each command, keys at the top for all.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error, and debug messages of daemons.")
@click.version_option(__version__, prog_name="ridgeway")
def ridgeway(debug: bool) -> None:
    """Route prompts to the expert that knows, without showing anyone your data.

    Every option can also be given as a variable, RIDGEWAY_COMMAND_OPTION (RIDGEWAY_NODE_REFRESH=5m), and
    RIDGEWAY_DATA_DIR for all commands. Flags win over variables, variables over --config.
    """


for _command in COMMANDS:
    ridgeway.add_command(_command)


def main() -> None:
    """Run the command line."""
    try:
        code = ridgeway(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    # Without standalone mode click gives the code of ctx.exit() back instead of exiting.
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
