"""The file of a backup: what is restored from it, and everything that is refused without leaving a trace."""

import hashlib
import json
import stat
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from ridgeway.backup.archive import FORMAT, BadBackup, NewerBackup
from ridgeway.backup.contents import Contents, Role
from ridgeway.backup.restoring import NotEmpty, restore
from ridgeway.backup.saving import CannotWrite, require_place, save
from ridgeway.runtime.data_dir import RESTORING, DataDirectory, DataDirectoryError, DataDirectoryInUse, hold

CONTENTS = Contents("node", "node.db", ("ridgeway.json",), ("payloads",), ("identity.key",))
ROLE = Role(CONTENTS, lambda _: None, lambda _: [], lambda _, __: None)
FILES = {"ridgeway.json": b"{}", "node.db": b"rows" * 50_000, "payloads/ab12": b"\0" * 3000, "identity.key": b"secret"}


def snapshot(folder: Path, **changes: bytes) -> Path:
    (folder / "payloads").mkdir(parents=True)
    for name, data in (FILES | changes).items():
        (folder / name).write_bytes(data)
    return folder


def saved(tmp_path: Path, *, keys: bool = True) -> Path:
    output = tmp_path / "backup"
    save(snapshot(tmp_path / "snapshot"), ROLE, 1_700_000_000_000, output, keys=keys, on_bytes=lambda _: None)
    return output


def restored(data: bytes, folder: Path) -> list[str]:
    return restore(BytesIO(data), folder, {"node": ROLE}, lambda _: None)[1]


def archive(*entries: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    """A tar archive of anything."""
    stream = BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in entries:
            entry = tarfile.TarInfo(name) if isinstance(name, str) else name
            entry.size = len(data)
            tar.addfile(entry, BytesIO(data))
    return stream.getvalue()


def listing(*names: str, **changes: Any) -> bytes:
    files = [{"name": name, "size": 1, "sha256": hashlib.sha256(b"x").hexdigest()} for name in names]
    head = {"format": FORMAT, "role": "node", "release": "0", "taken_unix_ms": 0, "keys": True, "files": files}
    return json.dumps(head | changes).encode()


def everything(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_is_restored_is_what_was_saved_and_private(tmp_path: Path) -> None:
    backup = saved(tmp_path)
    restored(backup.read_bytes(), tmp_path / "restored")
    assert {n: d for n, d in everything(tmp_path / "restored").items() if n != "lock"} == FILES
    private = [backup, *(p for p in (tmp_path / "restored").rglob("*") if p.is_file())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert not (tmp_path / "snapshot").exists()


def test_keys_are_in_it_only_if_they_were_asked_for(tmp_path: Path) -> None:
    data = saved(tmp_path, keys=False).read_bytes()
    assert b"secret" not in data
    assert "identity.key are not in this backup" in restored(data, tmp_path / "restored")[0]
    assert not (tmp_path / "restored" / "identity.key").exists()


def test_every_damaged_byte_is_noticed_and_leaves_nothing(tmp_path: Path) -> None:
    data = saved(tmp_path).read_bytes()
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        places = [entry.offset_data + entry.size // 2 for entry in tar if entry.size]
    for place in places:
        broken = bytearray(data)
        broken[place] ^= 1
        with pytest.raises(BadBackup):
            restored(bytes(broken), tmp_path / "restored")
        assert set(everything(tmp_path / "restored")) <= {"lock"}
    assert len(places) == 1 + len(FILES)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    data = saved(tmp_path).read_bytes()
    with pytest.raises(BadBackup):
        restored(data[: int(len(data) * share)], tmp_path / "restored")
    assert set(everything(tmp_path / "restored")) <= {"lock"}


def link_to(target: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo("node.db")
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    return entry


REFUSED = {
    "no archive": b"anything at all",
    "no list": archive(("node.db", b"x")),
    "a list that is no JSON": archive(("backup.json", b"{")),
    "a list that is no object": archive(("backup.json", b"[]")),
    "a role that nobody has": archive(("backup.json", listing(role="king"))),
    "a path upwards": archive(("backup.json", listing("../node.db")), ("../node.db", b"x")),
    "an absolute path": archive(("backup.json", listing("/tmp/node.db")), ("/tmp/node.db", b"x")),  # noqa: S108
    "a path upwards in a folder": archive(("backup.json", listing("payloads/..")), ("payloads/..", b"x")),
    "a folder in a folder": archive(("backup.json", listing("payloads/a/b")), ("payloads/a/b", b"x")),
    "a file that does not belong": archive(("backup.json", listing("lock")), ("lock", b"x")),
    "a name twice": archive(("backup.json", listing("node.db", "node.db")), ("node.db", b"x"), ("node.db", b"x")),
    "a file that is not listed": archive(("backup.json", listing()), ("node.db", b"x")),
    "a listed file that is missing": archive(("backup.json", listing("node.db"))),
    "another file in its place": archive(("backup.json", listing("node.db")), ("ridgeway.json", b"x")),
    "another length": archive(("backup.json", listing("node.db")), ("node.db", b"xx")),
    "a link in its place": archive(("backup.json", listing("node.db")), (link_to("/etc/passwd"), b"")),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_backup_of_ours_is_refused(tmp_path: Path, what: str) -> None:
    with pytest.raises(BadBackup):
        restored(REFUSED[what], tmp_path / "inside" / "restored")
    assert set(everything(tmp_path)) <= {"inside/restored/lock"}


def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NewerBackup, match=r"release \(9.9\); upgrade ridgeway"):
        restored(archive(("backup.json", listing(format=FORMAT + 1, release="9.9"))), tmp_path / "restored")


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    data, folder = saved(tmp_path).read_bytes(), tmp_path / "restored"
    folder.mkdir(mode=0o700)
    (folder / "mine").write_text("mine")
    with pytest.raises(NotEmpty):
        restored(data, folder)
    assert everything(folder) == {"mine": b"mine", "lock": (folder / "lock").read_bytes()}


def test_nobody_starts_on_a_directory_that_is_being_restored(tmp_path: Path) -> None:
    data, folder = saved(tmp_path).read_bytes(), tmp_path / "restored"
    folder.mkdir(mode=0o700)
    with hold(folder), pytest.raises(DataDirectoryInUse):
        restored(data, folder)
    (folder / RESTORING).mkdir()
    with pytest.raises(DataDirectoryError, match="interrupted"):
        DataDirectory(folder, "node", create=True)


def test_a_check_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def refuse(_: Path) -> None:
        raise BadBackup("the ledger names what is not there")

    data = saved(tmp_path).read_bytes()
    role = Role(CONTENTS, refuse, lambda _: [], lambda _, __: None)
    with pytest.raises(BadBackup, match="names what is not there"):
        restore(BytesIO(data), tmp_path / "restored", {"node": role}, lambda _: None)
    assert set(everything(tmp_path / "restored")) <= {"lock"}
    output = tmp_path / "second"
    with pytest.raises(BadBackup, match="names what is not there"):
        save(snapshot(tmp_path / "again"), role, 0, output, keys=True, on_bytes=lambda _: None)
    assert not output.exists()
    assert not (tmp_path / "again").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    backup = saved(tmp_path)
    with pytest.raises(CannotWrite, match="exists already"):
        require_place(backup)
    with pytest.raises(CannotWrite, match="no directory"):
        require_place(tmp_path / "nowhere" / "backup")
