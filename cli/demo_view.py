"""The demo on a terminal: a live table while it runs, then what was routed and what was checked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ridgeway.cli.demo_story import OWNERS, Story
from ridgeway.cli.federation_view import STATE_STYLES

PROMPT_CHARACTERS = 64


@contextmanager
def live(*, quiet: bool) -> Iterator[Callable[[str, Story], None]]:
    """A function that shows the present step: in a live table on a terminal, as lines elsewhere, never if quiet."""
    console = Console()
    if quiet:
        yield lambda _, __: None
    elif not console.is_terminal:
        yield lambda step, _: console.print(step, highlight=False)
    else:
        with Live(console=console, refresh_per_second=8) as screen:
            yield lambda step, story: screen.update(_picture(step, story), refresh=True)


def print_summary(story: Story) -> None:
    """What was routed, how well, and whether everything that was checked held."""
    console = Console()
    console.print(_routed_table(story))
    if story.evaluation is not None:
        shares = ", ".join(f"{domain} {share:.0%}" for domain, share in story.evaluation.per_domain.items())
        right = sum(routed.right for routed in story.routed)
        console.print(f"{right} of {len(story.routed)} went to their domain ({shares})", highlight=False)
    for claim, holds in _checks(story):
        console.print(Text("✓ " if holds else "✗ ", style="green" if holds else "red") + Text(claim))
    console.print(f"took {story.seconds:.1f} s", highlight=False)


def _checks(story: Story) -> list[tuple[str, bool]]:
    everyone = all(version == story.router_after_leave for version in story.routers.values())
    ended = bool(story.exit_codes) and not any(story.exit_codes.values())
    return [
        *((f"{done.what}: masked sum {done.sum_digest[:16]}… = plain sum of all", done.exact) for done in story.rounds),
        (f"everyone who stayed has router {story.router_after_leave}", everyone),
        (f"all {len(story.exit_codes)} processes shut down cleanly", ended),
    ]


def _picture(step: str, story: Story) -> Group:
    table = Table("owner", "domain", "state", "in the sum", "router at its node")
    states = {member.owner: member for member in story.status.members} if story.status else {}
    for domain, owner in OWNERS.items():
        member = states.get(owner)
        state = member.state.name.lower() if member else "not yet"
        held = bool(member and member.contributions)
        version = story.routers.get(owner)
        table.add_row(
            owner,
            domain,
            Text(state, style=STATE_STYLES.get(state, "dim")),
            "yes, masked" if held else "-",
            str(version) if version else "-",
        )
    digest = story.status.sum_digest.hex() if story.status and story.status.domains else "-"
    return Group(Text(f"› {step}", style="bold"), table, Text(f"sum {digest}", style="dim"))


def _routed_table(story: Story) -> Table:
    table = Table("", "prompt", "true", "chosen", "sure", title="held-out prompts", title_justify="left")
    for routed in story.routed:
        table.add_row(
            Text("✓", style="green") if routed.right else Text("✗", style="red"),
            Text(_shortened(routed.prompt)),
            routed.domain,
            routed.chosen or "-",
            f"{routed.confidence:.2f}",
        )
    return table


def _shortened(prompt: str) -> str:
    line = " ".join(prompt.split())
    return line if len(line) <= PROMPT_CHARACTERS else line[: PROMPT_CHARACTERS - 1] + "…"
