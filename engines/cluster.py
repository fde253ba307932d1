"""Count on a Dask cluster: a task for each partition, merged in a tree on the workers.

Nothing here depends on which worker does what, or when: sums are exact, so the result has the same bits as counting
here. Dask runs the tasks of a worker that died again.
"""

import ssl
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from ridgeway import __version__
from ridgeway.embedder import Embedder
from ridgeway.engines.cluster_address import ClusterTls, scheduler_address
from ridgeway.engines.outcome import Counted, EngineError, outcome
from ridgeway.engines.partition_count import Part, Task, count_partition, lines_of, merge_parts
from ridgeway.errors import RidgewayError
from ridgeway.feature_map import accumulator
from ridgeway.hold_out import HoldOut
from ridgeway.node.assignment import Assignment
from ridgeway.node.prompts import BadPromptLine, PromptSource, ReadReport
from ridgeway.node.prompts.partitions import PARTITION_BYTES, Partition, before_in_file, partitions
from ridgeway.runtime.remote_errors import Unreachable

if TYPE_CHECKING:
    from distributed import Client, Future, Security

T = TypeVar("T")

CONNECT_WAIT_S = 20.0
# Sums of D = 1409 are 16 MB; a worker holds so many at a time.
_MERGED_AT_ONCE = 8


def count_on_cluster(
    engine: str,
    tls: ClusterTls | None,
    domain: str,
    sources: Sequence[PromptSource],
    assignment: Assignment,
    embedder: Embedder,
    on_progress: Callable[[ReadReport], None],
    partition_bytes: int = PARTITION_BYTES,
) -> Counted:
    """The statistics of some sources, to the bit those of `count_here`. Blocks.

    Args:
        engine: dask://HOST:PORT.
        tls: certificates; None takes those in Dask's configuration, if there are any.
        domain: what the prompts are about.
        sources: must be readable at the same place for every worker.
        assignment: what is computed of them; its embedder is where every worker finds it.
        embedder: the same, here.
        on_progress: told after every partition.
        partition_bytes: where large files of JSON Lines are divided.

    Raises:
        BadEngine, EngineError: the cluster may not be used, or cannot count.
        Unreachable: there is none.
        PromptError, NoTokens: as if counted here; of several bad lines the first one is named.
    """
    if assignment.manifest.privacy is not None:
        raise EngineError(
            "under differential privacy rows are whitened by a product whose last bits depend on the machine, so a"
            " cluster could not give the same result; leave --engine out"
        )
    divided = partitions(sources, partition_bytes)
    task = Task(
        __version__,
        assignment.manifest.to_json().decode(),
        assignment.embedder,
        assignment.held_out,
        assignment.hold_out_key,
    )
    with _client(engine, tls) as client:
        part = _Run(client, task, divided, on_progress).result()
    rows, hold_out = accumulator(assignment.manifest, embedder), HoldOut(assignment.hold_out_key, assignment.held_out)
    rows.merge(part.sums)
    hold_out.merge(part.held, part.kept)
    rows.add(hold_out.given_back())
    return outcome(domain, assignment.manifest, rows, hold_out, _report(part, divided))


def _client(engine: str, tls: ClusterTls | None) -> "Client":
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise EngineError("counting on a cluster needs Dask; run pip install 'ridgeway[dask]'") from error
    security = _security(tls)
    address = scheduler_address(engine, encrypted=security is not None)
    try:
        return Client(address, security=security, timeout=CONNECT_WAIT_S, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise Unreachable(f"no Dask scheduler answers at {address}; check that it runs, and its certificate") from error


def _security(tls: ClusterTls | None) -> "Security | None":
    """Certificates from the command line, or else from Dask's configuration; None if there are none."""
    from distributed import Security  # noqa: PLC0415 - an extra

    if tls is not None:
        return Security(
            tls_ca_file=str(tls.ca),
            tls_client_cert=str(tls.certificate),
            tls_client_key=str(tls.key),
            require_encryption=True,
            tls_min_version=ssl.TLSVersion.TLSv1_3,
        )
    configured = Security(require_encryption=True)
    return configured if configured.tls_ca_file and configured.tls_client_cert else None


class _Run:
    """One run on a cluster."""

    def __init__(
        self, client: "Client", task: Task, divided: list[Partition], on_progress: Callable[[ReadReport], None]
    ) -> None:
        self._client = client
        self._divided = divided
        self._on_progress = on_progress
        name = f"ridgeway-{uuid4().hex}"
        self._counts: list[Future] = [
            client.submit(count_partition, task, partition, key=f"{name}-count-{partition.index}")
            for partition in divided
        ]
        self._total = self._merged(task, name)

    def result(self) -> Part:
        """What all partitions gave.

        Raises:
            EngineError, PromptError: the first partition that failed, in their order, says why.
        """
        self._wait()
        return _result(self._total, Part)

    def _merged(self, task: Task, name: str) -> "Future":
        level, futures = 0, list(self._counts)
        while level == 0 or len(futures) > 1:
            futures = [
                self._client.submit(
                    merge_parts, task, futures[start : start + _MERGED_AT_ONCE], key=f"{name}-merge-{level}-{start}"
                )
                for start in range(0, len(futures), _MERGED_AT_ONCE)
            ]
            level += 1
        return futures[0]

    def _wait(self) -> None:
        """Until everything is counted, or until it is known which failure is the first."""
        from distributed import as_completed  # noqa: PLC0415 - an extra

        places = {future.key: index for index, future in enumerate(self._counts)}
        report = ReadReport(bytes_total=sum(partition.stop - partition.start for partition in self._divided))
        failed, open_ = len(self._counts), set(places.values())
        for future in as_completed(self._counts, loop=self._client.loop):
            index = places[future.key]
            open_.discard(index)
            if future.status == "finished":
                report.bytes_done += self._divided[index].stop - self._divided[index].start
                self._on_progress(report)
            else:
                failed = min(failed, index)
            if not any(before < failed for before in open_):
                break
        if failed < len(self._counts):
            self._raise(failed)

    def _raise(self, failed: int) -> None:
        try:
            _result(self._counts[failed], Part)
        except BadPromptLine as error:
            partition = self._divided[failed]
            raise BadPromptLine(
                error.location, partition.line_in_file(error.line, self._lines_before(partition)), error.problem
            ) from None

    def _lines_before(self, partition: Partition) -> int:
        before = before_in_file(self._divided, partition)
        futures = [self._client.submit(lines_of, self._counts[index], pure=False) for index in before]
        return sum(sum(lines.values()) for lines in self._client.gather(futures))


def _result(future: "Future", kind: type[T]) -> T:
    """A task's result; whatever went wrong as an error with a sentence."""
    try:
        result = future.result()
    except RidgewayError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a cluster does; its text might hold a prompt
        raise EngineError(
            f"the cluster could not count ({type(error).__name__}); look at its workers' logs, and check that each has"
            " ridgeway installed and memory to spare"
        ) from None
    if not isinstance(result, kind):
        raise EngineError("a worker answered with something else than statistics; install one release everywhere")
    return result


def _report(part: Part, divided: list[Partition]) -> ReadReport:
    """How everything was read, with the lines of files in the place of those of partitions."""
    size = sum(partition.stop - partition.start for partition in divided)
    skips = []
    for index, skip in part.skips:
        partition = divided[index]
        before = sum(part.lines[earlier] for earlier in before_in_file(divided, partition))
        skips.append(BadPromptLine(skip.location, partition.line_in_file(skip.line, before), skip.problem))
    files = len({(partition.source, partition.file) for partition in divided})
    return ReadReport(files, part.prompts, part.blank, part.skipped, size, size, first_skips=skips)
