"""Which Dask schedulers may be talked to: over TLS any, without only one on this machine."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ridgeway.engines.outcome import EngineError

SCHEME = "dask"


class BadEngine(EngineError):
    """An --engine that names no cluster, or one that would be reached without encryption."""


@dataclass(frozen=True, slots=True)
class ClusterTls:
    """Files for mutual TLS with a cluster.

    Attributes:
        ca: who signed the scheduler's and the workers' certificates, PEM.
        certificate: ours, PEM.
        key: its key, PEM.
    """

    ca: Path
    certificate: Path
    key: Path


def scheduler_address(engine: str, *, encrypted: bool) -> str:
    """The scheduler's address in Dask's terms.

    Args:
        engine: dask://HOST:PORT.
        encrypted: whether there are certificates, from the command line or in Dask's own configuration.

    Raises:
        BadEngine: it is no such URL, or the host is another machine and nothing is encrypted.
    """
    try:
        parts = urlsplit(engine)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme != SCHEME or host is None or not port or parts.path or parts.query or parts.username:
        raise BadEngine(f"{engine!r} is no engine; give dask://HOST:PORT, or leave --engine out to count here")
    if not encrypted and not _is_loopback(host):
        raise BadEngine(
            f"{host} is another machine, and prompts must not travel unencrypted; start the cluster with TLS and give"
            " --dask-tls-ca, --dask-tls-cert and --dask-tls-key, or set distributed.comm.tls in Dask's configuration"
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{'tls' if encrypted else 'tcp'}://{shown}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
