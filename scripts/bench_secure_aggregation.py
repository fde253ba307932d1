"""Secure aggregation against a bare AES-256-CTR keystream and against Flower's SecAgg+, and a cohort of a thousand.

Everything runs in this process; repetitions of ours and of the peer alternate, and medians are compared.
"""

import argparse
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
from bench_report import Row, at_least, at_most, for_information, report
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from flower_peer import FlowerPeer, NoFlower
from masked_round import MIN_COHORT, Owner

from ridgeway import triangle
from ridgeway.node.masking import mask_in_parallel
from ridgeway.proto import messages as m
from ridgeway.proto.codec import encode
from ridgeway.secagg.aggregator import Aggregator, Phase
from ridgeway.secagg.masks import BLOCK_NUMBERS, Mask, Masking
from ridgeway.secagg.participant import ENTROPY_BYTES
from ridgeway.secagg.plan import plan
from ridgeway.secagg.terms import NONCE_BYTES, ROUND_VERSION

NEIGHBOURS = 16
COHORT = 1000
DROPOUTS = 0.05


def seconds(run: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def alternating(ours: Callable[[], object], peer: Callable[[], object], repetitions: int) -> tuple[float, float]:
    """Median seconds of both."""
    pairs = [(seconds(ours), seconds(peer)) for _ in range(repetitions)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def keystream(numbers: int, block: int) -> Callable[[], None]:
    """A bare keystream of so many numbers of 8 bytes, in blocks."""
    zeros, buffer = bytes(8 * block), np.empty(8 * block, dtype=np.uint8).data

    def run() -> None:
        stream = Cipher(algorithms.AES(os.urandom(32)), modes.CTR(bytes(16))).encryptor()
        for start in range(0, numbers, block):
            size = 8 * min(block, numbers - start)
            stream.update_into(memoryview(zeros)[:size], buffer[:size])

    return run


def one_mask(repetitions: int) -> Iterator[Row]:
    """One mask generated and added, against the quicker of two ways to make the keystream alone."""
    numbers = triangle.length(1025)
    vector, key = np.zeros(numbers, dtype=np.int64), os.urandom(32)
    peers = [keystream(numbers, BLOCK_NUMBERS), keystream(numbers, numbers)]
    measured = [alternating(lambda: Masking([Mask(key)]).add_to(vector), peer, repetitions) for peer in peers]
    ours, bare = min(pair[0] for pair in measured), min(pair[1] for pair in measured)
    megabytes = 8 * numbers / 1e6
    yield at_least(
        "one mask made and added, D = 1025, against its keystream, MB/s", megabytes / ours, megabytes / bare, 0.7
    )


def one_node(flower: FlowerPeer, repetitions: int) -> Iterator[Row]:
    """A node's masking with 16 neighbours, against Flower's on the same vector."""
    for dimension in (1025, 2049):
        vector = np.arange(triangle.length(dimension), dtype=np.int64)
        seeds = [os.urandom(32) for _ in range(NEIGHBOURS + 1)]
        masks = [Mask(seed, negative=place % 2 == 1) for place, seed in enumerate(seeds)]
        ours, peer = alternating(
            lambda masks=masks, vector=vector: mask_in_parallel(vector, masks),  # type: ignore[misc]
            lambda vector=vector, seeds=seeds: flower.mask(vector, seeds),  # type: ignore[misc]
            max(1, repetitions // 4),
        )
        name = f"a node's masking, 16 neighbours, D = {dimension}, runs/s, Flower"
        yield at_least(name, 1 / ours, 1 / peer, 3.0)
        alone = median(seconds(lambda: mask_in_parallel(vector, masks, 1)) for _ in range(max(1, repetitions // 4)))  # noqa: B023
        yield for_information(f"{name}, in one thread", 1 / alone, 1 / peer)


class Round:
    """A round of many owners in this process, up to the point where its masks come off.

    Attributes:
        aggregator: ready to unmask.
        bytes_per_node: the most that one node sent and received, without its vector.
    """

    def __init__(self, size: int, dimension: int, dropouts: int) -> None:
        terms = m.RoundTerms(ROUND_VERSION, "bench", bytes(32), 1, os.urandom(NONCE_BYTES), m.RoundKind.INCREMENTAL)
        vector = np.arange(triangle.length(dimension), dtype=np.int64)
        names = [f"{place:05}" for place in range(size)]
        owners = {name: Owner(name, vector, terms, os.urandom(ENTROPY_BYTES)) for name in names}
        gone, moved = set(names[:dropouts]), dict.fromkeys(names, 0)
        invited = {name: owner.key.public_bytes for name, owner in owners.items()}
        self.aggregator = Aggregator(terms, invited, MIN_COHORT, lambda _: vector.size, 0.0)
        orders = deque(self.aggregator.start())
        while orders:
            name, order = orders.popleft()
            moved[name] += len(encode(order))
            if order.input_wanted is not None and name in gone:
                orders += self.aggregator.lost(name, 0.0)
                continue
            reply = owners[name].reply(order)
            if order.input_wanted is not None:
                orders += self.aggregator.take_input(name, owners[name].covered.size, [owners[name].covered], 0.0)
            elif reply is not None:
                moved[name] += len(encode(reply))
                orders += self.aggregator.receive(name, reply, 0.0)
        assert self.aggregator.phase is Phase.UNMASKING, self.aggregator.reason
        self.bytes_per_node = max(moved.values())


def unmasking(flower: FlowerPeer) -> Iterator[Row]:
    """The coordinator's unmasking of 64 nodes, against Flower's."""
    needed, size, vector = plan(64), 64, np.zeros(triangle.length(385), dtype=np.int64)
    secrets = [flower.shares(os.urandom(32), needed.threshold, size)[: needed.threshold] for _ in range(size)]
    for dropouts in (0, 1):
        ours = median(seconds(Round(size, 385, dropouts).aggregator.unmask) for _ in range(3))
        peer = seconds(lambda dropouts=dropouts: flower.unmask(vector, secrets, dropouts * (size - 1)))  # type: ignore[misc]
        name = f"unmasking 64 nodes, {dropouts} dropouts, D = 385, runs/s, Flower"
        yield at_least(name, 1 / ours, 1 / peer, 100.0)


def thousand() -> Iterator[Row]:
    """A cohort of a thousand, and how the bytes of a node grow."""
    started = time.perf_counter()
    large = Round(COHORT, 129, int(DROPOUTS * COHORT))
    large.aggregator.unmask()
    yield at_most("a cohort of 1,000, D = 129, 5 % dropouts, s", time.perf_counter() - started, 300.0, 1.0)
    small = Round(COHORT // 4, 129, int(DROPOUTS * COHORT) // 4)
    growth = np.log(COHORT) / np.log(COHORT / 4)
    yield at_most(
        "bytes of a node, 1,000 against 250, over the growth of the logarithm",
        large.bytes_per_node / small.bytes_per_node,
        float(growth),
        1.1,
    )
    yield for_information("bytes of a node in a cohort of 1,000", large.bytes_per_node, 8.0 * triangle.length(129))


def rows(repetitions: int) -> Iterator[Row]:
    """Everything."""
    yield from one_mask(repetitions)
    try:
        flower = FlowerPeer()
    except NoFlower as error:
        print(error)
    else:
        yield from one_node(flower, repetitions)
        yield from unmasking(flower)
    yield from thousand()


def main() -> None:
    """Parse the command line, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="print one JSON object a row")
    arguments = parser.parse_args()
    report(rows(arguments.repetitions), as_json=arguments.json)


if __name__ == "__main__":
    main()
