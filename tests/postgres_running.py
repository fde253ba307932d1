"""A PostgreSQL server of this machine, with a cluster of its own that is gone afterwards."""

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from free_port import free_port

USER = "postgres"


@dataclass(frozen=True)
class Postgres:
    """A running server: where it is, and what its user's password is."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """Of its database, without the password."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{USER}"


def programs() -> Path:
    """Where initdb and pg_ctl lie; without them the test is skipped."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("needs PostgreSQL; scripts/install_debian_packages gets Debian's")
    return found[-1].parent


def run(*arguments: str) -> None:
    """Run one of its programs, which refuse to be root."""
    root = os.geteuid() == 0
    made = subprocess.run(
        arguments, cwd="/", user=USER if root else None, group=USER if root else None, capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr.decode()


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server while the block runs."""
    binaries, password, port = programs(), secrets.token_hex(16), free_port()
    folder = Path(tempfile.mkdtemp(prefix="ridgeway-postgresql-"))
    try:
        (folder / "password").write_text(password)
        if os.geteuid() == 0:
            account = pwd.getpwnam(USER)
            for path in (folder, folder / "password"):
                os.chown(path, account.pw_uid, account.pw_gid)
        cluster = str(folder / "cluster")
        trust = ("--auth=scram-sha-256", f"--pwfile={folder / 'password'}", f"--username={USER}")
        run(str(binaries / "initdb"), f"--pgdata={cluster}", *trust, "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
        options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        control = (str(binaries / "pg_ctl"), f"--pgdata={cluster}", "--wait", "--silent")
        run(*control, f"--log={folder / 'log'}", f"--options={options}", "start")
        try:
            yield Postgres(port, password)
        finally:
            run(*control, "--mode=immediate", "stop")
    finally:
        shutil.rmtree(folder)
