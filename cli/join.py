"""`ridgeway join TOKEN`: enrol with an invitation and contribute."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ridgeway.cli.command import Command, data_dir_option, emit, json_option

if TYPE_CHECKING:
    from ridgeway.proto import messages as m

STANDARD_INPUT = "-"


@click.command(cls=Command)
@click.argument("token", required=False)
@data_dir_option
@click.option(
    "--domain",
    "domains",
    multiple=True,
    metavar="NAME=PATH",
    help="A domain and its prompts: a file, glob, directory, or - (repeatable).",
)
@click.option(
    "--statistics",
    multiple=True,
    metavar="[NAME=]FILE",
    help="A domain's statistics, made elsewhere with `ridgeway statistics`, in the place of its prompts (repeatable).",
)
@click.option(
    "--expert",
    "experts",
    multiple=True,
    metavar="NAME=URL#MODEL[,price=X]",
    help="An OpenAI-compatible endpoint that serves a domain, and its price per million tokens (repeatable).",
)
@click.option(
    "--generalist",
    "generalists",
    multiple=True,
    metavar="NAME=URL#MODEL[,price=X]",
    help="An endpoint that serves what no domain does, for `route --fallback NAME` (repeatable).",
)
@click.option("--field", help="The field, column or dotted path of the prompt; found by itself if not given.")
@click.option(
    "--hold-out",
    type=click.FloatRange(0.0, 0.5),
    default=0.1,
    show_default=True,
    help="Share of prompts to keep out of the statistics; every router is tried on them, and only counts are reported.",
)
@click.option("--skip-bad", is_flag=True, help="Count bad entries and go on instead of stopping.")
@click.option(
    "--embedder",
    default="",
    metavar="builtin|DIR|ID",
    help="Where the federation's embedder is here; the one that the manifest names by default.",
)
@json_option
def join(
    token: str | None,
    data_dir: Path,
    domains: tuple[str, ...],
    statistics: tuple[str, ...],
    experts: tuple[str, ...],
    generalists: tuple[str, ...],
    field: str | None,
    hold_out: float,
    skip_bad: bool,
    embedder: str,
    as_json: bool,
) -> None:
    """Join a federation with the invitation TOKEN and contribute; returns when everything is committed.

    TOKEN may be "-" for standard input or "@FILE", which keeps the secret off the command line. Without TOKEN a node
    that has joined contributes further domains. If `ridgeway node` runs on the data directory, it does the work. The
    same join may be run again after a failure.
    """
    from ridgeway.cli.progress import shown
    from ridgeway.node.handover import join_federation, node_status
    from ridgeway.proto import messages as m

    request = m.JoinRequest(
        token=_read_token(token),
        sources=(
            *(_source(text, field, skip_bad) for text in domains),
            *(_brought(text) for text in statistics),
        ),
        experts=tuple(_expert(text, "--expert") for text in experts),
        generalists=tuple(_expert(text, "--generalist") for text in generalists),
        embedder=str(Path(embedder).resolve()) if Path(embedder).is_dir() and embedder else embedder,
        hold_out=hold_out,
    )
    if not (request.token or request.sources or request.experts or request.generalists):
        raise click.UsageError("give a TOKEN to join with, or --domain, --statistics, --expert or --generalist to add")
    with shown(quiet=as_json) as tell:
        asyncio.run(join_federation(data_dir, request, tell))
    status, _ = asyncio.run(node_status(data_dir))
    if as_json:
        emit(
            {
                "owner": status.owner,
                "federation_id": status.federation_id,
                "domains": [
                    {"domain": d.domain, "rows": d.rows, "sequence": d.sequence, "committed": d.committed}
                    for d in status.domains
                ],
            }
        )
    else:
        click.echo(f"{status.owner} is in; run `ridgeway node --data-dir {data_dir}` to follow the router")


def _read_token(token: str | None) -> str:
    if token is None:
        return ""
    if token == STANDARD_INPUT:
        return sys.stdin.read().strip()
    if token.startswith("@"):
        try:
            return Path(token[1:]).read_text().strip()
        except OSError as error:
            raise click.UsageError(f"{token[1:]} cannot be read: {error.strerror}") from error
    return token


def _source(text: str, field: str | None, skip_bad: bool) -> "m.PromptSource":
    from ridgeway.crypto.owner_name import check_domain_name
    from ridgeway.proto import messages as m

    name, equals, path = text.partition("=")
    if not equals or not path:
        raise click.BadParameter(f"{text!r} is no NAME=PATH", param_hint="--domain")
    location = path if path == "-" else str(Path(path).expanduser().absolute())
    return m.PromptSource(check_domain_name(name), location, field or "", skip_bad)


def _brought(text: str) -> "m.PromptSource":
    from ridgeway.crypto.owner_name import check_domain_name
    from ridgeway.node.statistics_file import DomainSums
    from ridgeway.proto import messages as m

    name, equals, path = text.partition("=")
    if not equals or Path(text).is_file():
        name, path = "", text
    if not path:
        raise click.BadParameter(f"{text!r} is no [NAME=]FILE", param_hint="--statistics")
    location = Path(path).expanduser().absolute()
    return m.PromptSource(check_domain_name(name or DomainSums.read(location).domain), str(location), statistics=True)


def _expert(text: str, option: str) -> "m.Expert":
    from ridgeway.proto import messages as m

    name, equals, address = text.partition("=")
    # Only what follows the last ",price=" is a price, so that a comma in a model's name stays one.
    address, priced, price = address.rpartition(",price=") if ",price=" in address else (address, "", "")
    url, _, model = address.partition("#")
    if not equals or not url.startswith(("http://", "https://")):
        raise click.BadParameter(f"{text!r} is no NAME=URL#MODEL with an http or https URL", param_hint=option)
    return m.Expert("", name, url, model, _price(price, option) if priced else None)


def _price(text: str, option: str) -> float:
    try:
        price = float(text)
    except ValueError:
        price = -1.0
    if not 0.0 <= price < float("inf"):
        raise click.BadParameter(f"{text!r} is no price per million tokens, like 2.5", param_hint=option)
    return price
