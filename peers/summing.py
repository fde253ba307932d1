"""From what counts to the sum, bit for bit, and from there to the router. Blocks; one thread at a time."""

from dataclasses import dataclass, field, replace

from ridgeway.errors import RidgewayError
from ridgeway.manifest import Manifest
from ridgeway.peers.payload_folder import PayloadFolder, PayloadLost
from ridgeway.privacy.solving import solution
from ridgeway.proto import messages as m
from ridgeway.proto.experts import expert_of
from ridgeway.proto.router_artifact import encode_router
from ridgeway.roster.round_book import CountedRound
from ridgeway.roster.standing import Counted
from ridgeway.router import RouterWeights
from ridgeway.sums import FederationSum
from ridgeway.weights_digest import rounded_digest


class Unsummed(RidgewayError):
    """A payload that the sum needs cannot be read.

    Attributes:
        payload_digest: which.
    """

    def __init__(self, payload_digest: bytes) -> None:
        super().__init__(f"payload {payload_digest.hex()} is damaged; it is fetched again from the other peers")
        self.payload_digest = payload_digest


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the sum should hold: a snapshot of the records.

    Attributes:
        root: of the set of records.
        revision: the version of the router that is solved from it.
        edition: of that version.
        counted: what counts, by owner and domain.
        experts: of all whose contributions count.
        made_unix_ms: now.
        rounds: what counts instead in a federation that masks.
    """

    root: bytes
    revision: int
    edition: int
    counted: dict[tuple[str, str], Counted]
    experts: tuple[m.Expert, ...]
    made_unix_ms: int
    rounds: tuple[CountedRound, ...] = ()


@dataclass(frozen=True, slots=True)
class Solved:
    """The sum over one set of records, and its router.

    Attributes:
        root: of the set.
        sum_digest: of the sum.
        weights_digest: of the rounded weights; empty without a router.
        router: None if there is nothing to solve, or the sum gives none.
        artifact: the router, encoded.
        problem: why there is none.
        domains: rows by domain.
    """

    root: bytes
    sum_digest: bytes
    weights_digest: bytes = b""
    router: RouterWeights | None = None
    artifact: bytes = field(default=b"", repr=False)
    problem: str = ""
    domains: tuple[tuple[str, int], ...] = ()


class Summing:
    """The sum in memory, brought up to date by difference; after a start it is built anew from the payloads."""

    def __init__(self, manifest: Manifest, payloads: PayloadFolder) -> None:
        self._manifest = manifest
        self._manifest_digest = manifest.digest()
        self._payloads = payloads
        self._held: dict[tuple[str, str], Counted] = {}
        self._sum = FederationSum(manifest.layout)
        self._solved: Solved | None = None

    @property
    def needed(self) -> set[bytes]:
        """The payloads that may still have to be taken out of the sum."""
        return {counted.payload_digest for counted in self._held.values()}

    def bring(self, wanted: Wanted) -> Solved:
        """Make the sum that of exactly these contributions, and solve it.

        Raises:
            Unsummed: a payload cannot be read; the sum is what it was, or is built anew the next time.
        """
        gone = {place: held for place, held in self._held.items() if wanted.counted.get(place) != held}
        come = {place: new for place, new in wanted.counted.items() if self._held.get(place) != new}
        for place, held in gone.items():
            self._change(held, add=False)
            del self._held[place]
        for place, new in come.items():
            self._change(new, add=True)
            self._held[place] = new
        return self._solve(wanted)

    def _change(self, counted: Counted, *, add: bool) -> None:
        change = self._sum.add_blocks if add else self._sum.subtract_blocks
        try:
            change(
                counted.domain, self._payloads.blocks(counted.payload_digest, counted.bytes_per_number), counted.rows
            )
        except PayloadLost as error:
            self._begin_anew()
            raise Unsummed(counted.payload_digest) from error

    def _begin_anew(self) -> None:
        self._held.clear()
        self._sum = FederationSum(self._manifest.layout)

    def _solve(self, wanted: Wanted) -> Solved:
        digest = self._sum.digest(self._manifest_digest)
        domains = tuple(zip(self._sum.domains, self._sum.rows, strict=True))
        before = self._solved
        if not domains:
            solved = Solved(wanted.root, digest)
        elif before is not None and before.router is not None and before.sum_digest == digest:
            solved = self._published(replace(before, root=wanted.root), before.router, wanted)
        else:
            solved = self._solve_anew(wanted, digest)
        self._solved = replace(solved, domains=domains)
        return self._solved

    def _solve_anew(self, wanted: Wanted, digest: bytes) -> Solved:
        try:
            found = solution(self._sum, self._manifest)
        except RidgewayError as error:
            return Solved(wanted.root, digest, problem=str(error))
        router = RouterWeights(
            version=wanted.revision,
            domains=self._sum.domains,
            weights=found.weights,
            ridge=found.ridge,
            sum_digest=digest,
            manifest_digest=self._manifest_digest,
        )
        return self._published(Solved(wanted.root, digest, rounded_digest(digest, found.weights)), router, wanted)

    def _published(self, solved: Solved, router: RouterWeights, wanted: Wanted) -> Solved:
        experts = tuple(expert_of(expert) for expert in wanted.experts)
        router = replace(router, version=wanted.revision, edition=wanted.edition, experts=experts)
        return replace(solved, router=router, artifact=encode_router(router, wanted.made_unix_ms))
