"""`ridgeway demo`: a whole federation on this machine, from the first start to the last goodbye."""

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ridgeway.cli.command import EXIT_FAILED, Command, emit, json_option

if TYPE_CHECKING:
    from ridgeway.cli.demo_story import Story


@click.command(cls=Command)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the data directories and logs there.",
)
@click.option(
    "--peers", is_flag=True, help="Without a coordinator: six nodes that gossip; one is killed and comes back."
)
@json_option
@click.pass_context
def demo(ctx: click.Context, keep: Path | None, peers: bool, as_json: bool) -> None:
    """Run a coordinator and four nodes with sample prompts: they join by a masked round, route, one leaves.

    Every process, certificate and byte is real; only the prompts are made up. It takes less than half a minute.
    """
    if peers:
        _demo_peers(ctx, keep, as_json=as_json)
        return
    from ridgeway.cli.demo_story import tell
    from ridgeway.cli.demo_view import live, print_summary

    started = time.monotonic()
    with _root(keep) as root, live(quiet=as_json) as show:
        story = asyncio.run(tell(root, show))
    story.seconds = time.monotonic() - started
    if as_json:
        emit(story.document())
    else:
        print_summary(story)
        _say_how_to_go_on(story, keep)
    if not story.sound:
        ctx.exit(EXIT_FAILED)


def _demo_peers(ctx: click.Context, keep: Path | None, *, as_json: bool) -> None:
    from ridgeway.cli.peers_demo_view import live_peers, print_peers_summary
    from ridgeway.cli.peers_story import tell_of_peers

    started = time.monotonic()
    with _root(keep) as root, live_peers(quiet=as_json) as show:
        story = asyncio.run(tell_of_peers(root, show))
    story.seconds = time.monotonic() - started
    if as_json:
        emit(story.document())
    else:
        print_peers_summary(story)
    if not story.sound:
        ctx.exit(EXIT_FAILED)


@contextmanager
def _root(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="ridgeway-demo-") as folder:
            yield Path(folder)
        return
    if keep.exists() and any(keep.iterdir()):
        raise click.UsageError(f"{keep} is not empty; name a new directory for --keep")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.resolve()


def _say_how_to_go_on(story: "Story", keep: Path | None) -> None:
    if keep is None:
        click.echo("run it with --keep DIR to look at what it leaves behind")
        return
    owner = story.joins[0].owner
    click.echo(
        f"kept in {keep}; go on by hand:\n"
        f"  ridgeway coordinator --data-dir {keep}/coordinator &\n"
        f"  ridgeway status --data-dir {keep}/coordinator\n"
        f"  ridgeway route --data-dir {keep}/{owner} {json.dumps('why does my for loop never end?')}"
    )
