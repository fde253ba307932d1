"""`ridgeway backup`: a data directory as it is at one moment, in one file."""

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ridgeway.cli.command import Command, data_dir_option, json_option

if TYPE_CHECKING:
    from ridgeway.backup.archive import Backup


@click.command(cls=Command)
@data_dir_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    metavar="FILE|-",
    help="The file to write, which must not exist; - for standard output, with the report on standard error.",
)
@click.option(
    "--with-keys",
    is_flag=True,
    help="Put private keys into it: whoever reads a coordinator's can speak for the whole federation. Without, keep a"
    " copy of them apart.",
)
@json_option
def backup(data_dir: Path, output: Path, with_keys: bool, as_json: bool) -> None:
    """Write a backup of a coordinator or a node, whether it runs or not.

    The backup shows one moment, is checked to the bit, and can be read by its owner only. It is not encrypted, and a
    node's is as private as its prompts. To encrypt it: ridgeway backup ... -o - | age -r RECIPIENT > FILE
    """
    from ridgeway.backup.saving import STANDARD_OUTPUT, require_place, save
    from ridgeway.backup.staging import SNAPSHOTS
    from ridgeway.cli.progress import shown_bytes
    from ridgeway.cli.roles import role_in

    require_place(output)
    role, take = role_in(data_dir)
    # Before the snapshot, since whatever happens from now on may be missing in it.
    taken_unix_ms = time.time_ns() // 1_000_000
    snapshot = data_dir / SNAPSHOTS / asyncio.run(take(data_dir))
    total = 2 * sum(path.stat().st_size for path in snapshot.rglob("*") if path.is_file())
    with shown_bytes("backup", str(output), total, quiet=as_json) as tell:
        written, notes = save(snapshot, role, taken_unix_ms, output, keys=with_keys, on_bytes=tell)
    _report(written, output, notes, as_json=as_json, aside=output == STANDARD_OUTPUT)


def _report(written: "Backup", output: Path, notes: list[str], *, as_json: bool, aside: bool) -> None:
    if as_json:
        document = {
            "output": str(output),
            "role": written.role,
            "taken_unix_ms": written.taken_unix_ms,
            "files": len(written.files),
            "bytes": written.bytes,
            "keys": written.keys,
            "notes": notes,
        }
        click.echo(json.dumps(document), err=aside)
        return
    size = f"{len(written.files)} files, {written.bytes / 1e6:.1f} MB"
    click.echo(f"backed the {written.role} up to {output}: {size}", err=aside)
    for note in notes:
        click.echo(f"note: {note}", err=True)
