"""The demo of peers on a terminal: a live table while it runs, then what was checked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ridgeway.cli.peers_story import OWNERS, PeersStory

DIGEST_SHOWN = 16
_COLOURS = ("green", "yellow", "magenta", "cyan", "blue", "red")


@contextmanager
def live_peers(*, quiet: bool) -> Iterator[Callable[[str, PeersStory], None]]:
    """A function that shows the present step: in a live table on a terminal, as lines elsewhere, never if quiet."""
    console = Console()
    told = [""]

    def line(step: str, _: PeersStory) -> None:
        if step != told[0]:
            told[0] = step
            console.print(step, highlight=False)

    if quiet:
        yield lambda _, __: None
    elif not console.is_terminal:
        yield line
    else:
        with Live(console=console, refresh_per_second=8) as screen:
            yield lambda step, story: screen.update(_picture(step, story))


def print_peers_summary(story: PeersStory) -> None:
    """Whether everything that was checked held."""
    console = Console()
    for agreement in story.agreements:
        routers = set(agreement.routers.values())
        claim = (
            f"{agreement.what}: {len(agreement.sums)} peers hold {agreement.plain_digest[:DIGEST_SHOWN]}…, the sum of"
            f" all files, and router {', '.join(map(str, sorted(routers)))}"
        )
        console.print(_mark(agreement.holds) + Text(claim))
    ended = bool(story.exit_codes) and not any(story.exit_codes.values())
    console.print(_mark(ended) + Text(f"all {len(story.exit_codes)} processes shut down cleanly"))
    console.print(f"took {story.seconds:.1f} s", highlight=False)


def _mark(holds: bool) -> Text:
    return Text("✓ " if holds else "✗ ", style="green" if holds else "red")


def _picture(step: str, story: PeersStory) -> Group:
    table = Table("owner", "domain", "state", "streams", "records", "sum", "router")
    digests = [status.gossip.sum_digest for status in story.seen.values() if status.gossip]
    colours = dict(zip(dict.fromkeys(digests), _COLOURS, strict=False))
    for owner, (domain, _) in OWNERS.items():
        status = story.seen.get(owner)
        if owner in story.gone or status is None or status.gossip is None:
            table.add_row(owner, domain, Text(story.gone.get(owner, "not yet"), style="dim"), "-", "-", "-", "-")
            continue
        gossip = status.gossip
        table.add_row(
            owner,
            domain,
            Text("member", style="green"),
            str(sum(peer.linked for peer in gossip.peers)),
            str(gossip.records),
            Text(gossip.sum_digest.hex()[:DIGEST_SHOWN] or "…", style=colours.get(gossip.sum_digest, "white")),
            str(status.router_version or "-"),
        )
    return Group(Text(f"› {step}", style="bold"), table)
