"""A whole federation in one process: what its owners, its coordinator and its router do, one after the other."""

from collections.abc import Iterable

from ridgeway.contribution_check import check_contribution
from ridgeway.embedder import Embedder
from ridgeway.feature_map import Accumulator, Router, ready_router
from ridgeway.manifest import Manifest
from ridgeway.ridge import solve
from ridgeway.router import RouterWeights
from ridgeway.statistics import encode_contribution
from ridgeway.sums import FederationSum


def train(domains: Iterable[tuple[str, Accumulator]], embedder: Embedder, manifest: Manifest) -> Router:
    """Encode, check and add each domain's statistics, solve, and make the router ready.

    Args:
        domains: each with its prompts added up; one owner each.
        embedder: everyone's.
        manifest: what they agree on.

    Raises:
        NoTokens: a domain has no token that the embedder knows.
    """
    total = FederationSum(manifest.layout)
    for domain, rows in domains:
        statistics = rows.statistics()
        vector = encode_contribution(statistics, manifest.mass, manifest.fraction_bits)
        check_contribution(vector, manifest.dimension, manifest.mass, manifest.fraction_bits, statistics.rows)
        total.add(domain, vector, statistics.rows)
    a, b = total.normal_equations()
    solution = solve(a, b, total.masses, total.rows, manifest.solver)
    digest = manifest.digest()
    weights = RouterWeights(1, total.domains, solution.weights, solution.ridge, total.digest(digest), digest)
    return ready_router(weights, embedder, manifest)
