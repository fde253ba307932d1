"""Files with secrets: read only if nobody else may."""

import os
import stat
from pathlib import Path

from ridgeway.errors import RidgewayError


class NotPrivate(RidgewayError):
    """A file with secrets that others may read, or that cannot be read."""


def read_private(path: Path) -> str:
    """The text of a file that only its owner may read.

    Raises:
        NotPrivate: it is missing, no text, or others have access.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read()
    except OSError as error:
        raise NotPrivate(f"{path} cannot be read: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise NotPrivate(f"others may read {path}, which holds secrets; run chmod 600 on it")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise NotPrivate(f"{path} is no text; check its name") from None
