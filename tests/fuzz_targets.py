"""Everything that reads bytes of somebody else's, as functions of bytes: a refusal of the stated type, or nothing.

The tests in `fuzz/` and `scripts/fuzz.py` run the same targets over the same corpus.
"""

import base64
import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ridgeway.coordinator.schema import LedgerError, open_ledger
from ridgeway.crypto.authority import BadSigningRequest, CertificateAuthority
from ridgeway.crypto.certificates import BadCertificate, read_peer_certificate
from ridgeway.crypto.identity import BadIdentityKey, IdentityKey
from ridgeway.crypto.invitation import PREFIX, BadInvitation, Invitation, _checksum
from ridgeway.crypto.labels import CONTRIBUTION_SIGNATURE, LEAVE_SIGNATURE
from ridgeway.crypto.owner_name import BadName, TooManyDomains
from ridgeway.embedder import EmbedderError, EmbedderFingerprint
from ridgeway.embedders.checkpoint import is_tied, shard_of
from ridgeway.embedders.safetensors_file import check_tensor, memory_map, read_local_header
from ridgeway.embedders.tokenizer_file import parse_tokenizer
from ridgeway.expert_choice import BadObjective, Objective
from ridgeway.gateway.answer import AnswerStream, NoAnswer
from ridgeway.gateway.api_error import ApiError
from ridgeway.gateway.api_request import ApiRequest, Endpoint
from ridgeway.gateway.expert_keys import BadKeys, ExpertKeys
from ridgeway.manifest import Coordination, Manifest, ManifestError, Masking
from ridgeway.narrow_integers import Unpacker, WrongWidth, pack, smallest_width, unpack
from ridgeway.node.hold_outs import HoldOutDamaged, HoldOuts
from ridgeway.node.prompts import PromptError, PromptSource, read_prompts, source_fingerprint
from ridgeway.node.roster_file import ROSTER_FILE, BadRoster, read_roster
from ridgeway.node.router_feed import ArtifactAssembly
from ridgeway.node.state import NodeState, StateError
from ridgeway.proto import messages as m
from ridgeway.proto.codec import DESCRIPTOR, MalformedMessage, decode, encode
from ridgeway.proto.records import MalformedRecord, open_contribution, open_withdrawal
from ridgeway.proto.router_artifact import ARTIFACT_VERSION, MAGIC, BadRouterArtifact, decode_router, encode_router
from ridgeway.proto.trial_report import from_message
from ridgeway.roster.keys import BadKey, RecordKey
from ridgeway.roster.records import BadRecord
from ridgeway.roster.round_records import open_body, payload_of, round_key
from ridgeway.runtime.data_dir import DataDirectory, DataDirectoryError, role_of
from ridgeway.runtime.private_file import NotPrivate
from ridgeway.trial import BadTrial

ROUNDS_MANIFEST = Manifest(
    "f" * 32,
    EmbedderFingerprint("toy", "a" * 64, "b" * 64, 1000, 2),
    masking=Masking.REQUIRED,
    coordination=Coordination.PEERS,
)
KINDS: tuple[type, ...] = tuple(getattr(m, name) for name in sorted(DESCRIPTOR.message_types_by_name))
KEY = IdentityKey.generate()
AUTHORITY = CertificateAuthority.create("fuzz", datetime(2030, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Target:
    """One reader of bytes.

    Attributes:
        run: reads them; the folder is empty or holds what an earlier run wrote.
        refusals: what it may raise.
    """

    run: Callable[[bytes, Path], object]
    refusals: tuple[type[Exception], ...]


def message(data: bytes, _: Path) -> None:
    """The first byte chooses the message; what was read is written and read again alike."""
    if not data:
        return
    kind = KINDS[data[0] % len(KINDS)]
    written = encode(decode(kind, data[1:]))
    assert encode(decode(kind, written)) == written


def contribution_record(data: bytes, _: Path) -> None:
    """A body that its owner did sign."""
    open_contribution(m.SignedRecord(data, KEY.sign(CONTRIBUTION_SIGNATURE, data)), KEY.public_bytes)


def withdrawal_record(data: bytes, _: Path) -> None:
    """A body that its owner did sign."""
    open_withdrawal(m.SignedRecord(data, KEY.sign(LEAVE_SIGNATURE, data)), KEY.public_bytes)


def round_body(data: bytes, _: Path) -> None:
    """How a round among peers ended, for which its cohort did vote."""
    body = open_body(data, ROUNDS_MANIFEST)
    assert body.terms is not None
    RecordKey.parse(str(round_key(body.terms)))
    payload_of(body)


def router_file(data: bytes, _: Path) -> None:
    """A file that may be anything."""
    decode_router(data)


def router_body(data: bytes, _: Path) -> None:
    """A body behind a header that fits it, as a coordinator that lies would send."""
    header = struct.pack("<4sH32s", MAGIC, ARTIFACT_VERSION, hashlib.sha256(data).digest())
    router, published_ms = decode_router(header + data)
    again, _ms = decode_router(encode_router(router, published_ms))
    assert again.weights.tobytes() == router.weights.tobytes()


def router_feed(data: bytes, _: Path) -> None:
    """Pieces one after another, each behind its length in two bytes."""
    assembly = ArtifactAssembly()
    while len(data) > 2:
        size = int.from_bytes(data[:2], "little")
        assembly.add(decode(m.RouterChunk, data[2 : 2 + size]))
        data = data[2 + size :]


def invitation(data: bytes, _: Path) -> None:
    """A line that somebody pasted."""
    Invitation.from_token(data.decode(errors="replace"))


def invitation_body(data: bytes, _: Path) -> None:
    """A body with the right checksum; what it says comes back."""
    encoded = base64.urlsafe_b64encode(data + _checksum(data)).decode().rstrip("=")
    read = Invitation.from_token(PREFIX + encoded)
    assert Invitation.from_token(read.to_token()) == read


def manifest(data: bytes, _: Path) -> None:
    """A manifest as a coordinator sends it; one that is taken has a digest, a layout and the same JSON again."""
    read = Manifest.from_json(data)
    assert Manifest.from_json(read.to_json()) == read
    assert len(read.digest()) == 32
    assert read.layout.numbers > 0


def safetensors(data: bytes, folder: Path) -> None:
    """A file of a model that somebody shared."""
    path = folder / "model.safetensors"
    path.write_bytes(data)
    for tensor in read_local_header(path).values():
        check_tensor(tensor, "a file")
        assert memory_map(path, tensor).shape == tensor.shape


def shard_index(data: bytes, _: Path) -> None:
    """The index of a model in several files, and its configuration."""
    is_tied(data)
    shard = shard_of(data, "a model", tied=True)
    assert "/" not in shard


def tokenizer(data: bytes, _: Path) -> None:
    """A tokenizer.json."""
    parse_tokenizer(data, "a model")


def prompts(suffix: str) -> Callable[[bytes, Path], None]:
    """A file of prompts of one format; bad entries are counted, or end the reading."""

    def run(data: bytes, folder: Path) -> None:
        path = folder / f"prompts{suffix}"
        path.write_bytes(data)
        for skip_bad in (True, False):
            source = PromptSource(str(path), skip_bad=skip_bad)
            source_fingerprint(source)
            for prompt in read_prompts(source):
                prompt.encode()

    return run


def hold_outs(data: bytes, folder: Path) -> None:
    """A file of held-out prompts."""
    (folder / "payload").write_bytes(data)
    for prompt in HoldOuts(folder).read("payload"):
        assert all(type(token) is int for token in prompt)


def node_state(data: bytes, folder: Path) -> None:
    """A node's database."""
    for leftover in folder.iterdir():
        leftover.unlink()
    path = folder / "node.db"
    path.write_bytes(data)
    state = NodeState(path)
    try:
        state.membership, state.hold_out, state.last_committed()
    finally:
        state.close()


def ledger(data: bytes, folder: Path) -> None:
    """A coordinator's database."""
    for leftover in folder.iterdir():
        leftover.unlink()
    (folder / "ledger.db").write_bytes(data)
    open_ledger(str(folder / "ledger.db")).close()


def directory_mark(data: bytes, folder: Path) -> None:
    """The mark of a data directory."""
    (folder / "ridgeway.json").write_bytes(data)
    role_of(folder)


def roster(data: bytes, folder: Path) -> None:
    """An owner's list of the owners that it believes."""
    folder.chmod(0o700)
    directory = DataDirectory(folder, "node", create=True)
    directory.write(ROSTER_FILE, data)
    for digest in (read_roster(directory) or {}).values():
        assert len(digest) == 32


def narrow_integers(data: bytes, _: Path) -> None:
    """The first byte is the width, the second where the rest is cut; whole and in pieces give the same numbers."""
    if len(data) < 2:
        return
    width, cut, packed = data[0], data[1], data[2:]
    numbers = unpack(packed, width)
    assert pack(numbers, width).tobytes() == packed
    assert numbers.size == 0 or smallest_width(numbers) <= width
    unpacker = Unpacker(width)
    pieces = [piece for part in (packed[:cut], packed[cut:]) for piece in unpacker.feed(part)]
    assert np.concatenate([np.empty(0, np.int64), *pieces]).tolist() == numbers.tolist()


def trial_report(data: bytes, _: Path) -> None:
    """Counts of a trial."""
    from_message(decode(m.TrialReport, data), 1)


def certificate(data: bytes, _: Path) -> None:
    """A certificate that passed TLS."""
    read_peer_certificate(data)


def identity_key(data: bytes, _: Path) -> None:
    """An identity key's file."""
    IdentityKey.from_pem(data).sign(b"label", b"body")


def signing_request(data: bytes, _: Path) -> None:
    """A request to be certified."""
    read_peer_certificate(AUTHORITY.issue_member(data, "alice", datetime(2031, 1, 1, tzinfo=UTC)))


def api_request(data: bytes, _: Path) -> None:
    """A body at the gateway."""
    for endpoint in Endpoint:
        ApiRequest.parse(endpoint, data)


def expert_answer(data: bytes, _: Path) -> None:
    """A stream of events that an expert sends, in two pieces."""
    stream = AnswerStream("model")
    middle = len(data) // 2
    told = stream.feed(data[:middle]) + stream.feed(data[middle:]) + stream.close()
    assert len(told) <= 40 * len(data) + 100


def expert_keys(data: bytes, folder: Path) -> None:
    """A file of keys."""
    path = folder / "keys.toml"
    path.write_bytes(data)
    path.chmod(0o600)
    ExpertKeys.read({}, path)


def objective(data: bytes, _: Path) -> None:
    """What a caller says that counts."""
    Objective.parse(data.decode(errors="replace"))


PROMPT_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".txt", ".parquet", ".jsonl.gz", ".jsonl.zst", ".csv.gz")

TARGETS: dict[str, Target] = {
    "message": Target(message, (MalformedMessage,)),
    "contribution_record": Target(contribution_record, (MalformedMessage, MalformedRecord)),
    "withdrawal_record": Target(withdrawal_record, (MalformedMessage, MalformedRecord)),
    "round_body": Target(round_body, (MalformedMessage, BadRecord, BadKey, BadName, TooManyDomains)),
    "router_file": Target(router_file, (BadRouterArtifact,)),
    "router_body": Target(router_body, (BadRouterArtifact,)),
    "router_feed": Target(router_feed, (BadRouterArtifact, MalformedMessage)),
    "invitation": Target(invitation, (BadInvitation,)),
    "invitation_body": Target(invitation_body, (BadInvitation,)),
    "manifest": Target(manifest, (ManifestError,)),
    "safetensors": Target(safetensors, (EmbedderError,)),
    "shard_index": Target(shard_index, (EmbedderError,)),
    "tokenizer": Target(tokenizer, (EmbedderError,)),
    "hold_outs": Target(hold_outs, (HoldOutDamaged,)),
    "node_state": Target(node_state, (StateError,)),
    "ledger": Target(ledger, (LedgerError,)),
    "directory_mark": Target(directory_mark, (DataDirectoryError,)),
    "roster": Target(roster, (BadRoster,)),
    "narrow_integers": Target(narrow_integers, (WrongWidth,)),
    "trial_report": Target(trial_report, (BadTrial, MalformedMessage)),
    "certificate": Target(certificate, (BadCertificate,)),
    "identity_key": Target(identity_key, (BadIdentityKey,)),
    "signing_request": Target(signing_request, (BadSigningRequest,)),
    "api_request": Target(api_request, (ApiError,)),
    "expert_answer": Target(expert_answer, (NoAnswer,)),
    "expert_keys": Target(expert_keys, (BadKeys, NotPrivate)),
    "objective": Target(objective, (BadObjective,)),
} | {f"prompts{suffix}": Target(prompts(suffix), (PromptError,)) for suffix in PROMPT_SUFFIXES}


def run(name: str, data: bytes, folder: Path) -> None:
    """Read bytes with one target.

    Raises:
        Exception: anything but the refusals of this target, each of which says what to do in a sentence.
    """
    target = TARGETS[name]
    try:
        target.run(data, folder)
    except target.refusals as refusal:
        assert len(str(refusal)) < 2000, "a refusal is a sentence, not the input"
        json.dumps(str(refusal))
