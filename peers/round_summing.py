"""From the rounds that count to the sum, bit for bit. Blocks; one thread at a time."""

from ridgeway.manifest import Manifest
from ridgeway.peers.payload_folder import PayloadFolder, PayloadLost
from ridgeway.peers.summing import Solved, Summing, Unsummed, Wanted
from ridgeway.roster.round_book import CountedRound
from ridgeway.round_vector import as_sum
from ridgeway.sums import FederationSum, InconsistentSum


class RoundSumming(Summing):
    """The sum of a federation that masks: rounds are added as they come, and a new era is added up anew.

    Rounds come in any order, so what was added so far need not be a sum of contributions yet: one that takes an owner
    out may be here before the one that brought it in.
    """

    def __init__(self, manifest: Manifest, payloads: PayloadFolder) -> None:
        super().__init__(manifest, payloads)
        self._added: set[CountedRound] = set()
        self._raw = FederationSum(manifest.layout)

    @property
    def needed(self) -> set[bytes]:
        """No payload of a round that counts no longer: it is not taken out, the rest is added up anew."""
        return set()

    def bring(self, wanted: Wanted) -> Solved:
        """Make the sum that of exactly these rounds, and solve it.

        Raises:
            Unsummed: a payload cannot be read.
        """
        if not self._added <= set(wanted.rounds):
            self._added, self._raw = set(), FederationSum(self._manifest.layout)
        for counted in wanted.rounds:
            if counted not in self._added:
                self._add(counted)
        total = self._raw.copy()
        try:
            total.settle(self._manifest.mass)
        except InconsistentSum as error:
            return Solved(wanted.root, b"", problem=f"some rounds have not come here yet: {error}")
        self._sum = total
        return self._solve(wanted)

    def _add(self, counted: CountedRound) -> None:
        try:
            vector = self._payloads.sum_of(counted)
            self._raw.accumulate(as_sum(self._manifest.layout, counted.domains, vector))
        except (PayloadLost, ValueError) as error:
            self._added, self._raw = set(), FederationSum(self._manifest.layout)
            raise Unsummed(counted.payload_digest) from error
        self._added.add(counted)
