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


def split_peer_listen(listen: str) -> tuple[str, int]:
    """Host and port of a peer, which takes the port above it as well.

    Raises:
        click.BadParameter: it is no HOST:PORT, or there is no port above.
    """
    host, port = split_listen(listen)
    if not 0 < port < 65535:
        raise click.BadParameter("peers need a port from 1 to 65534; newcomers ask one above", param_hint="--listen")
    return host, port
