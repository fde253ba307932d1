"""Whatever bytes a parser is given: a refusal of its own at most; no crash, no hang, no growth.

`corpus/` holds good inputs, and every input that ever broke something, so that it stays broken never again.
"""

import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzz_inputs import CORPUS, EDITS_MAX, INTERESTING, KINDS, PIECE_BYTES_MAX, edited
from fuzz_targets import TARGETS, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ridgeway.coordinator.schema import open_ledger
from ridgeway.crypto.identity import IdentityKey
from ridgeway.node.state import NodeState

# These two write a database and sync it, which takes a hundred times as long as reading bytes.
SLOW = {"node_state", "ledger"}
EXAMPLES, SLOW_EXAMPLES = 40, 10


def node_state(path: Path) -> bytes:
    """A fresh node's database."""
    NodeState(path).close()
    return path.read_bytes()


def ledger(path: Path) -> bytes:
    """A fresh coordinator's database."""
    open_ledger(str(path)).close()
    return path.read_bytes()


def identity_key(_: Path) -> bytes:
    """A fresh key; none lies in the repository."""
    return IdentityKey.generate().to_pem()


# What is better made than kept.
MADE: dict[str, Callable[[Path], bytes]] = {"node_state": node_state, "ledger": ledger, "identity_key": identity_key}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "fuzz"
    made.mkdir(mode=0o700)
    return made


def good_inputs(name: str, folder: Path) -> list[bytes]:
    """The corpus of one target."""
    kept = [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
    return kept + ([MADE[name](folder / "made")] if name in MADE else [])


def mutations(inputs: list[bytes]) -> st.SearchStrategy[bytes]:
    """Inputs of the corpus with bytes cut out, put in, flipped or taken from another, and bytes of no origin at all."""
    pieces = st.one_of(st.binary(max_size=PIECE_BYTES_MAX), st.sampled_from(INTERESTING))
    edit = st.tuples(st.integers(0, 2**16), st.sampled_from(KINDS), pieces)
    edits = st.lists(edit, min_size=1, max_size=EDITS_MAX)
    other = st.sampled_from(inputs)
    return st.one_of(st.builds(edited, other, edits, other), st.binary(max_size=4 * PIECE_BYTES_MAX))


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_is_read_or_refused(name: str, folder: Path) -> None:
    inputs = good_inputs(name, folder)
    assert inputs, f"put a good input into corpus/{name}"
    for data in inputs:
        run(name, data, folder)


def test_the_corpus_has_no_input_that_nothing_reads() -> None:
    assert {path.name for path in CORPUS.iterdir()} | set(MADE) == set(TARGETS)


@pytest.mark.timeout(60)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", TARGETS)
def test_what_is_damaged_anyhow_is_read_or_refused(name: str, folder: Path) -> None:
    @settings(
        max_examples=SLOW_EXAMPLES if name in SLOW else EXAMPLES,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    @given(mutations(good_inputs(name, folder)))
    def reads_or_refuses(data: bytes) -> None:
        run(name, data, folder)

    reads_or_refuses()


def test_reading_the_corpus_again_and_again_leaves_nothing_behind(folder: Path) -> None:
    """Neither memory nor open files; each target reads its corpus twenty times."""

    def read_all(times: int) -> None:
        for name in TARGETS.keys() - SLOW:
            for data in good_inputs(name, folder):
                for _ in range(times):
                    run(name, data, folder)

    # Caches of the libraries fill up meanwhile.
    read_all(10)
    files = len(list(Path("/proc/self/fd").iterdir()))
    tracemalloc.start()
    try:
        read_all(2)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        read_all(20)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 200_000
    assert len(list(Path("/proc/self/fd").iterdir())) == files


def test_no_flipped_bit_of_an_identity_key_s_file_is_more_than_a_damaged_file() -> None:
    pem = IdentityKey.generate().to_pem()
    for place in range(len(pem)):
        for bit in range(8):
            run("identity_key", pem[:place] + bytes([pem[place] ^ 1 << bit]) + pem[place + 1 :], Path())
