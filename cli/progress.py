"""Show the progress of a command on standard error: bars on a terminal, lines elsewhere, nothing with --json."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from ridgeway.proto.messages import Progress

_SENTENCES = {
    "enrol": "checking the invitation and the coordinator's authority",
    "enrolled": "enrolled as {detail}",
    "embedder": "loading the embedder",
    "waiting": "waiting to try again: {detail}",
    "asking": "waiting for {detail}",
    "round": "waiting for a masked round: {detail}",
    "warning": "warning: {detail}",
    "committed": "{domain} is committed, {detail}",
    "leaving": "taking contributions out of the sum",
    "withdrawn": "out of the sum",
}
_BARS = {
    "count": "counting tokens of {domain} ({detail})",
    "upload": "uploading {domain}",
    "backup": "writing {detail}",
    "restore": "restoring {detail}",
}


@contextmanager
def shown(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A function that shows what it is told, from whatever thread."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bars() as tell:
            yield tell
    else:
        yield _lines()


@contextmanager
def shown_bytes(stage: str, detail: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A function that shows how many bytes of a total are done, told each time how many more."""
    done = 0
    with shown(quiet=quiet) as tell:

        def more(number: int) -> None:
            nonlocal done
            done += number
            tell(Progress(stage, done=done, total=total, detail=detail))

        yield more


def _lines() -> Callable[[Progress], None]:
    def tell(news: Progress) -> None:
        sentence = _SENTENCES.get(news.stage)
        if sentence is None and news.done == news.total:
            sentence = _BARS[news.stage]
        if sentence is not None:
            click.echo(sentence.format(domain=news.domain, detail=news.detail), err=True)

    return tell


@contextmanager
def _bars() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    lock = threading.Lock()
    tasks: dict[tuple[str, str], TaskID] = {}
    with Bars(*columns, console=Console(stderr=True)) as bars:

        def tell(news: Progress) -> None:
            with lock:
                sentence = _SENTENCES.get(news.stage)
                if sentence is not None:
                    bars.console.print(sentence.format(domain=news.domain, detail=news.detail), highlight=False)
                    return
                description = _BARS[news.stage].format(domain=news.domain, detail=news.detail)
                if (news.stage, news.domain) not in tasks:
                    tasks[news.stage, news.domain] = bars.add_task(description)
                task = tasks[news.stage, news.domain]
                bars.update(task, description=description, completed=news.done, total=news.total or None)

        yield tell
