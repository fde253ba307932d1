"""Deliberate mistakes in the protocol's code, each a small exact replacement in one file that some test must notice."""

from dataclasses import dataclass

UNIT = "tests/unit"
PROPERTY = "tests/property"
SECAGG = (
    f"{UNIT}/test_secagg_refusals.py",
    f"{UNIT}/test_secagg_once.py",
    f"{UNIT}/test_round_policy.py",
    f"{PROPERTY}/test_secagg_laws.py",
)
COMMIT = (f"{UNIT}/test_round_commit.py",)
RECORDS = (
    f"{UNIT}/test_proto_records.py",
    f"{UNIT}/test_protocol_admission.py",
    f"{UNIT}/test_secagg_once.py",
    f"{PROPERTY}/test_protocol_laws.py",
)
STATE = (f"{UNIT}/test_node_state.py", f"{UNIT}/test_node_leaving.py")
SIMULATION = ("tests/simulation/test_federations.py",)


@dataclass(frozen=True)
class Bug:
    """One mistake.

    Attributes:
        name: what is wrong.
        file: where.
        right: the text that is there, exactly once.
        wrong: what takes its place.
        suites: the tests that are run, until one fails.
    """

    name: str
    file: str
    right: str
    wrong: str
    suites: tuple[str, ...] = SIMULATION


BUGS = (
    Bug(
        "an upload is acknowledged before it is committed",
        "coordinator/federation_service.py",
        "        fresh = await self._publisher.changing(self._federation.commit, offer)\n",
        "        fresh = True\n        self._exclusive.begin(self._federation.commit, offer)\n",
    ),
    Bug(
        "a replaced contribution is not subtracted",
        "coordinator/federation.py",
        "            self._sum.subtract_blocks(old.domain, numbers, old.rows)\n",
        "            del numbers\n",
    ),
    Bug(
        "a withdrawal forgets its tombstone",
        "coordinator/federation.py",
        "        self.ledger.put(tombstone, record, replaced=old.payload_key)\n",
        "        self.ledger.put(tombstone, record, replaced=old.payload_key)\n"
        '        self.ledger._execute("DELETE FROM standings WHERE domain = ?", (body.domain,))\n',
    ),
    Bug(
        "leaving forgets the tombstones",
        "coordinator/ledger.py",
        '("DELETE FROM experts WHERE owner = ?", (owner,))\n            self._raise("revision")\n\n    # Experts',
        '("DELETE FROM standings WHERE owner = ?", (owner,))\n            self._raise("revision")\n\n    # Experts',
    ),
    Bug(
        "an evicted owner's contributions stay in the sum",
        "coordinator/federation.py",
        "        self._unsettled.extend((entry, None, None) for entry in entries)\n",
        "",
    ),
    Bug(
        "an uploaded payload is not synced",
        "coordinator/payload_store.py",
        "        self._check.finish()\n        self._sync()\n        self._syncing.result()\n",
        "        self._check.finish()\n",
    ),
    Bug(
        "a durably written file is not synced",
        "runtime/data_dir.py",
        "        os.fsync(descriptor)\n    finally:\n        os.close(descriptor)\n    staged",
        "    finally:\n        os.close(descriptor)\n    staged",
    ),
    Bug(
        "a durably written file's name is not synced",
        "runtime/data_dir.py",
        "    staged.replace(path)\n    sync_directory(path.parent)\n",
        "    staged.replace(path)\n",
    ),
    Bug(
        "the ledger does not wait for the disk",
        "coordinator/schema.py",
        '"PRAGMA synchronous = FULL"',
        '"PRAGMA synchronous = OFF"',
        (f"{UNIT}/test_durability_settings.py",),
    ),
    Bug(
        "the node's state does not wait for the disk",
        "node/state.py",
        '"PRAGMA synchronous = FULL"',
        '"PRAGMA synchronous = NORMAL"',
        (f"{UNIT}/test_durability_settings.py",),
    ),
    Bug(
        "the sum before is removed before the ledger names the new one",
        "coordinator/federation.py",
        "        places = {body.owner: body.remaining for body in summed.survivors if",
        "        self.totals.keep_only(written.named)\n"
        "        places = {body.owner: body.remaining for body in summed.survivors if",
        COMMIT,
    ),
    Bug(
        "a full round adds to the sum instead of replacing it",
        "coordinator/federation.py",
        "            before = FederationSum(manifest.layout)\n        total",
        "            before = self.sum\n        total",
    ),
    Bug(
        "a full round leaves the places of those who are gone",
        "coordinator/ledger.py",
        '                self._execute("DELETE FROM places")\n',
        "                pass\n",
        COMMIT,
    ),
    Bug(
        "a round's number is not used up",
        "coordinator/ledger.py",
        '            self._raise("round_number")\n        return int(self.setting("round_number") or b"0")\n',
        '            pass\n        return 1 + int(self.setting("round_number") or b"0")\n',
    ),
    Bug(
        "every round has the same nonce",
        "coordinator/federation.py",
        "nonce=secrets.token_bytes(NONCE_BYTES)",
        "nonce=bytes(NONCE_BYTES)",
    ),
    Bug(
        "an unmasked contribution is taken where masking is required",
        "coordinator/federation.py",
        "        if self.manifest.masking is Masking.REQUIRED:\n            raise MaskingRequired(\n"
        '                "this federation takes masked',
        '        if False:\n            raise MaskingRequired(\n                "this federation takes masked',
        (f"{UNIT}/test_masking_required.py",),
    ),
    Bug(
        "a node contributes unmasked where masking is required",
        "node/agent.py",
        "        return self.manifest().masking is Masking.REQUIRED\n",
        "        return False\n",
    ),
    Bug(
        "a certificate that was replaced still counts",
        "coordinator/membership.py",
        "        if not_after is None or not_after <= now_ms:\n",
        "        if not_after is not None and not_after <= now_ms:\n",
        (f"{PROPERTY}/test_trust_laws.py", f"{UNIT}/test_membership.py"),
    ),
    Bug(
        "a revoked member may still call",
        "coordinator/membership.py",
        "        if member.state is not MemberState.ACTIVE:\n",
        "        if False:\n",
        (f"{PROPERTY}/test_trust_laws.py", f"{UNIT}/test_membership.py"),
    ),
    Bug(
        "an older sequence number is taken",
        "protocol/admission.py",
        "    if standing is None or sequence > standing.sequence:\n",
        "    if standing is None or sequence != standing.sequence:\n",
        RECORDS,
    ),
    Bug(
        "other bytes under a taken number are taken for a repeat",
        "protocol/admission.py",
        "    if record_digest != standing.record_digest:\n",
        "    if False:\n",
        RECORDS,
    ),
    Bug(
        "a contribution's signature is not checked",
        "proto/records.py",
        "    verify(identity_public_key, CONTRIBUTION_SIGNATURE, record.body, record.signature)\n",
        "",
        RECORDS,
    ),
    Bug(
        "a withdrawal's signature is not checked",
        "proto/records.py",
        "    verify(identity_public_key, LEAVE_SIGNATURE, record.body, record.signature)\n",
        "",
        RECORDS,
    ),
    Bug(
        "a chunk is not compared with its signed digest",
        "protocol/upload.py",
        "        if chunk_digest(data) != self.chunk_digests[index]:\n",
        "        if False:\n",
        RECORDS,
    ),
    Bug(
        "pairwise masks have one sign on both sides",
        "secagg/sealing.py",
        "negative=mine > theirs",
        "negative=False",
        SECAGG,
    ),
    Bug(
        "a vector wears no self-mask",
        "secagg/participant.py",
        "        masks = [self_mask(phase.secrets.seed, view.digest, mine)]\n",
        "        masks = []\n",
        SECAGG,
    ),
    Bug(
        "one share too few opens a secret",
        "secagg/plan.py",
        "    return 2 * (degree + 1) // 3 + 1\n",
        "    return 2 * (degree + 1) // 3\n",
        SECAGG,
    ),
    Bug(
        "one signature too few lets a node reveal",
        "secagg/participant.py",
        "        if len(signed | {view.me.position}) < view.plan.threshold:\n",
        "        if len(signed | {view.me.position}) < view.plan.threshold - 1:\n",
        SECAGG,
    ),
    Bug(
        "signatures on the list of survivors are not checked by nodes",
        "secagg/participant.py",
        "        verify(neighbour.identity_public_key, AGREEMENT_SIGNATURE, phase.body, agreement.signature)\n",
        "        pass\n",
        SECAGG,
    ),
    Bug(
        "a node signs any list of survivors",
        "secagg/participant.py",
        "        if view.me.position not in listed or not listed <= phase.sharers:\n",
        "        if False:\n",
        SECAGG,
    ),
    Bug(
        "a node reveals both kinds of share",
        "secagg/participant.py",
        "key_shares=_shares(phase, phase.sharers - phase.survivors, kind=1)",
        "key_shares=_shares(phase, phase.sharers, kind=1)",
        SECAGG,
    ),
    Bug(
        "a node agrees twice",
        "secagg/participant.py",
        "        self.phase = Agreed(view, phase.sharers, listed, body, phase.held)\n        return m.Agreement",
        "        self.phase = phase\n        return m.Agreement",
        SECAGG,
    ),
    Bug(
        "a cohort with too few changes is taken",
        "secagg/cohort.py",
        "        if len(differing) < min_cohort:\n",
        "        if len(differing) < min_cohort - 1:\n",
        SECAGG,
    ),
    Bug(
        "a lower threshold of the coordinator is believed",
        "secagg/cohort.py",
        "    if cohort.threshold != needed.threshold:\n",
        "    if False:\n",
        SECAGG,
    ),
    Bug(
        "a neighbour's other identity key is believed",
        "secagg/cohort.py",
        "        if pinned is not None and pinned != fingerprint(key):\n",
        "        if False:\n",
        SECAGG,
    ),
    Bug(
        "an advertisement's signature is not checked",
        "secagg/advertisements.py",
        "    verify(advertisement.identity_public_key, ADVERTISEMENT_SIGNATURE, advertisement.body, "
        "advertisement.signature)\n",
        "",
        SECAGG,
    ),
    Bug(
        "a telling difference to an opened round is not seen",
        "secagg/participant.py",
        "        if self._exposed and 0 < len(differing) < self._min_cohort:\n",
        "        if False:\n",
        SECAGG,
    ),
    Bug(
        "idle owners hide who is missing from an opened round",
        "secagg/participant.py",
        "        differing = (view.bringers(listed) ^ self._exposed) - ",
        "        differing = (view.owners(listed) ^ self._exposed) - ",
        SECAGG,
    ),
    Bug(
        "another vector is taken for the one that an opened round had",
        "secagg/participant.py",
        "        if self._rebased:\n",
        "        if False:\n",
        SECAGG,
    ),
    Bug(
        "a round with one change too few is started",
        "secagg/round_policy.py",
        "        if len(changed) < min_cohort:\n            return Wait(_too_few",
        "        if len(changed) < min_cohort - 1:\n            return Wait(_too_few",
        SECAGG,
    ),
    Bug(
        "a vector that comes twice is added twice",
        "secagg/aggregator.py",
        "        if self.phase is not Phase.MASKING or owner not in self._uploading:\n",
        "        if self.phase is not Phase.MASKING:\n",
        SECAGG,
    ),
    Bug(
        "an opened seed is not compared with its commitment",
        "secagg/unmasking.py",
        "        if seed_commitment(seed) != self.advertised[position].seed_commitment:\n",
        "        if False:\n",
        SECAGG,
    ),
    Bug(
        "a round's keys come from a constant",
        "node/rounds.py",
        "            secrets.token_bytes(ENTROPY_BYTES),\n",
        "            bytes(ENTROPY_BYTES),\n",
    ),
    Bug(
        "a masked vector leaves before what it means is on disk",
        "node/rounds.py",
        "            self.state.enter(engaged.terms.nonce, part.targets)\n",
        "",
    ),
    Bug(
        "a node forgets that it revealed",
        "node/rounds.py",
        "                self.state.reveals(exposes, engaged.terms.kind, engaged.terms.aggregator)\n",
        "                pass\n",
        (f"{UNIT}/test_node_rounds.py",),
    ),
    Bug(
        "a round's number may come again",
        "node/round_state.py",
        "        if number <= self.last_number:\n",
        "        if number < self.last_number:\n",
        (f"{UNIT}/test_round_state.py",),
    ),
    Bug(
        "an aborted round counts as committed",
        "node/round_state.py",
        "            if ledger == self.open:\n                self.committed()\n",
        "            if ledger is not None:\n                self.committed()\n",
    ),
    Bug(
        "a sequence number is used twice",
        "node/state.py",
        '    write_setting(connection, "next_sequence", sequence + 1)\n',
        '    write_setting(connection, "next_sequence", sequence)\n',
        STATE,
    ),
    Bug(
        "an owner whose stream ended before its vector was wanted is awaited for ever",
        "rounds/hall.py",
        "                self._send(running.lost(owner, time.monotonic()))\n"
        "                continue\n            if order",
        "                continue\n            if order",
    ),
    Bug(
        "owners of an opened round that come back late get no turn",
        "rounds/hall.py",
        "            self._exposed_s = time.monotonic()\n\n    async def _await_inputs",
        "            pass\n\n    async def _await_inputs",
        (f"{UNIT}/test_coordinator_rounds.py",),
    ),
    Bug(
        "an owner is asked by what it intended before a round that left it out",
        "coordinator/rounds.py",
        "        self._set_outdated_aside(places)\n",
        "",
    ),
    Bug(
        "an owner that left while a round was open stays in the sum",
        "coordinator/rounds.py",
        "        gone = {m.MemberState.EVICTED, m.MemberState.LEFT}\n",
        "        gone = {m.MemberState.EVICTED}\n",
        (f"{UNIT}/test_coordinator_rounds.py",),
    ),
    Bug(
        "a node leaves while a round is open",
        "node/agent.py",
        "            if not (self.masked and (self.state.last_committed() or self.rounds.state.open)):\n",
        "            if not (self.masked and self.state.last_committed()):\n",
        STATE,
    ),
    Bug(
        "a second leave is taken for the first",
        "node/agent.py",
        "        return bool(sources) if domain == EVERYTHING else domain in sources\n",
        "        return False\n",
        STATE,
    ),
    Bug(
        "another manifest is taken than the one that was shown",
        "node/enrolment.py",
        "    if enrolled.manifest_json != described.manifest_json:\n",
        "    if False:\n",
        (f"{UNIT}/test_enrolment.py",),
    ),
)
