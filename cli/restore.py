"""`ridgeway restore FILE`: a data directory from a backup."""

from datetime import UTC, datetime
from pathlib import Path

import click

from ridgeway.cli.command import Command, data_dir_option, emit, json_option
from ridgeway.errors import RidgewayError


class CannotRead(RidgewayError):
    """A backup that cannot be opened."""


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), metavar="FILE|-")
@data_dir_option
@json_option
def restore(file: Path, data_dir: Path, as_json: bool) -> None:
    """Restore a coordinator or a node from a backup into a directory that is missing or empty.

    Stop the one that the backup was taken of first, for ever: there must never be two. Every file is compared with its
    digest, and the directory is filled only if all is well.
    """
    from ridgeway.backup.restoring import restore as restored
    from ridgeway.cli.progress import shown_bytes
    from ridgeway.cli.roles import roles

    try:
        with (
            click.open_file(str(file), "rb") as stream,
            shown_bytes("restore", str(data_dir), _size(file), quiet=as_json) as tell,
        ):
            backup, notes = restored(stream, data_dir, roles(), tell)
    except OSError as error:
        raise CannotRead(f"{file} cannot be restored: {error.strerror}") from error
    taken = datetime.fromtimestamp(backup.taken_unix_ms / 1000, UTC)
    if as_json:
        emit({"role": backup.role, "taken": taken.isoformat(), "files": len(backup.files), "notes": notes})
        return
    click.echo(f"restored the {backup.role} of {taken:%Y-%m-%d %H:%M} UTC into {data_dir}")
    for note in notes:
        click.echo(f"note: {note}", err=True)


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
