"""How much memory one real peer takes whose federation is large: a daemon with everybody's records on its disk.

The founder's directory is a real one; its authority lets the others in, each with a key, a certificate, a profile and a
contribution, D = 385, unmasked, whose payload differs from everybody else's. Then `ridgeway node --peers` starts on it,
checks all payloads, adds them up, solves, and serves. The others cannot be dialled, so streams are not in the figure.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench_report import at_most, for_information, report

from ridgeway.cli.local_peers import LocalPeers
from ridgeway.coordinator.founding import Wishes
from ridgeway.crypto.certificates import signing_request
from ridgeway.crypto.identity import IdentityKey
from ridgeway.crypto.payload_digest import chunk_digests
from ridgeway.errors import RidgewayError
from ridgeway.gossip.record import Entry, Payload
from ridgeway.manifest import Masking
from ridgeway.peers import keyring
from ridgeway.peers.administering import Administration
from ridgeway.peers.handover import join_peers
from ridgeway.peers.membership import PAYLOADS
from ridgeway.peers.payload_folder import PayloadFolder
from ridgeway.peers.record_store import STORE_FILE, RecordStore, entry_of
from ridgeway.proto import messages as m
from ridgeway.proto.codec import decode
from ridgeway.proto.records import sign_contribution
from ridgeway.roster.charter import Charter
from ridgeway.roster.keys import RecordKey, RecordKind
from ridgeway.roster.records import RECORD_VERSION, record_of
from ridgeway.roster.standing import Roster
from ridgeway.runtime.data_dir import DataDirectory
from ridgeway.samples import DOMAINS, train_path

FOUNDER = "owner-00000"
WAIT_S = 600.0
LOOK_S = 1.0


def new_key() -> bytes:
    """A key for a certificate, PEM."""
    with tempfile.TemporaryDirectory() as folder:
        return keyring.requested_key(DataDirectory(Path(folder) / "key", "node", create=True))


class Crowd:
    """Everybody but the founder, written into the founder's store.

    Args:
        directory: the founder's, which holds its own contribution.
    """

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._charter: Charter = keyring.read_charter(directory)
        self._folder = PayloadFolder(directory.folder(PAYLOADS))
        self._authority = keyring.signing_key(directory)
        self._key_pem = new_key()

    def join(self, count: int) -> None:
        """Let so many in."""
        store = RecordStore(self._directory.path / STORE_FILE)
        try:
            held = store.held()
            roster = Roster()
            roster.take(held)
            ours = next(e for e in held if e.payload is not None)
            body = decode(m.ContributionBody, ours.record.body)
            assert ours.payload is not None
            data = self._folder.path(ours.payload.digest).read_bytes()
            for place in range(1, count):
                entries = list(self._member(place, body, data))
                store.persist(entries)
                roster.take(entries)
            administration = Administration(self._directory, self._charter, FOUNDER, roster, store)
            answers = administration.answers(datetime.now(UTC), to_others=True)
            store.persist(entry_of(record, has_payload=False) for record in answers)
        finally:
            store.close()

    def _member(self, place: int, body: m.ContributionBody, data: bytes) -> Iterator[Entry]:
        owner, key = f"owner-{place:05}", IdentityKey.generate()
        about = (RECORD_VERSION, self._charter.federation_id, owner, 1, "")
        now_ms = int(time.time() * 1000)
        request = m.CertificateRequestBody(*about, 1, key.public_bytes, signing_request(self._key_pem, owner))
        yield entry_of(
            record_of(self._authority, m.MembershipBody(*about, key.public_bytes, now_ms)), has_payload=False
        )
        yield entry_of(record_of(key, request), has_payload=False)
        yield entry_of(record_of(key, m.ProfileBody(*about, 1)), has_payload=False)
        # The lowest bits of one number: another payload, and statistics still.
        payload = place.to_bytes(2, "little") + data[2:]
        reference = Payload.of(len(payload), chunk_digests(payload))
        self._folder.path(reference.digest).write_bytes(payload)
        domain = DOMAINS[place % len(DOMAINS)]
        said = replace(
            body, owner=owner, domain=domain, sequence=1, generation=1, chunk_digests=reference.chunk_digests
        )
        signed = sign_contribution(key, said)
        where = RecordKey(RecordKind.CONTRIBUTION, owner, 1, "", domain)
        yield entry_of(m.GossipRecord(str(where), 1, signed.body, signed.signature), has_payload=True)


def resident_mb(process: int) -> tuple[float, float, float]:
    """What a process has in memory, at most, now, and now of its own (not of files), in MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    return tuple(int(found[name].split()[0]) / 1024 for name in ("VmHWM", "VmRSS", "RssAnon"))  # type: ignore[return-value]


async def measure(root: Path, count: int) -> dict[str, float]:
    """Found, let everybody in, run, and look."""
    peers = LocalPeers(root, wishes=Wishes(masking=Masking.OFF, columns=0))
    await asyncio.to_thread(peers.found, FOUNDER)
    source = m.PromptSource(DOMAINS[0], str(train_path(DOMAINS[0])))
    await join_peers(peers.data_dir(FOUNDER), m.JoinRequest(sources=(source,)), lambda _: None)
    await asyncio.to_thread(Crowd(DataDirectory(peers.data_dir(FOUNDER), "node")).join, count)
    began = time.monotonic()
    await peers.start([FOUNDER])
    try:
        deadline = time.monotonic() + WAIT_S
        while True:
            gossip = None
            # While it reads and checks a thousand payloads it may not answer.
            with suppress(RidgewayError):
                gossip = (await peers.status(FOUNDER)).gossip
            if gossip and gossip.weights_digest and len(gossip.peers) == count - 1:
                break
            if time.monotonic() > deadline:
                sys.exit("no router came in time; look at the log")
            await asyncio.sleep(LOOK_S)
        solved_s = time.monotonic() - began
        await asyncio.sleep(5.0)
        most, now, own = resident_mb(peers.processes[FOUNDER].child.pid)
    finally:
        await peers.stop()
    return {"most": most, "now": now, "own": own, "records": gossip.records, "solved_s": solved_s}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ridgeway-bench-") as folder:
        found = asyncio.run(measure(Path(folder), chosen.peers))
    name = f"MB of one real peer of N={chosen.peers}, D=385, unmasked"
    rows = [
        at_most(f"{name}, resident", found["now"], 200.0, 1.0),
        for_information(f"{name}, resident, the most since its start", found["most"], 200.0),
        for_information(f"{name}, of that not of files", found["own"], 200.0),
        for_information("records it holds", found["records"], 4.0 * chosen.peers),
        for_information(f"s from its start to its router, {os.cpu_count()} cores", found["solved_s"], 60.0),
    ]
    report(rows, as_json=chosen.json)


if __name__ == "__main__":
    main()
