"""HOST:PORT as people write it."""

import click


def split_listen(listen: str) -> tuple[str, int]:
    """Host and port; an IPv6 address stands in brackets.

    Raises:
        click.BadParameter: it is no HOST:PORT.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"{listen!r} is no HOST:PORT with a port up to 65535", param_hint="--listen")
    return host.removeprefix("[").removesuffix("]"), int(port)
