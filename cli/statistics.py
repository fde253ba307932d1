"""`ridgeway statistics PATH...`: compute a domain's statistics away from the node, here or on a Dask cluster."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ridgeway.cli.command import Command, emit, json_option

if TYPE_CHECKING:
    from ridgeway.engines.cluster_address import ClusterTls
    from ridgeway.engines.outcome import Counted
    from ridgeway.node.assignment import Assignment
    from ridgeway.node.prompts import PromptSource

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-o", "--output", required=True, type=_FILE, help="The file to write, for `ridgeway join --statistics`.")
@click.option("--domain", metavar="NAME", help="What the prompts are about; the output's name, up to its first dot.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="RIDGEWAY_DATA_DIR",
    help="Compute what this node's federation agreed on.",
)
@click.option("--manifest", type=_FILE, help="The same from a file that `ridgeway manifest` wrote at the node.")
@click.option("--field", help="The field, column or dotted path of the prompt; found by itself if not given.")
@click.option("--skip-bad", is_flag=True, help="Count bad entries and go on instead of stopping.")
@click.option(
    "--embedder", default="", metavar="builtin|DIR|ID", help="Where the embedder is; as the node names it by default."
)
@click.option("--engine", metavar="dask://HOST:PORT", help="Count on a Dask cluster instead of here.")
@click.option("--dask-tls-ca", type=_FILE, metavar="FILE", help="Who signed the cluster's certificates, PEM.")
@click.option("--dask-tls-cert", type=_FILE, metavar="FILE", help="Our certificate for the cluster, PEM.")
@click.option("--dask-tls-key", type=_FILE, metavar="FILE", help="Its key, PEM.")
@json_option
def statistics(
    paths: tuple[str, ...],
    output: Path,
    domain: str | None,
    data_dir: Path | None,
    manifest: Path | None,
    field: str | None,
    skip_bad: bool,
    embedder: str,
    engine: str | None,
    dask_tls_ca: Path | None,
    dask_tls_cert: Path | None,
    dask_tls_key: Path | None,
    as_json: bool,
) -> None:
    """Compute the statistics of prompts for a node on another machine.

    PATH is a file, glob or directory, a URL of any storage that fsspec knows (s3://bucket/prompts/), or - for standard
    input. What is written goes to the owner's own node, with `ridgeway join --statistics FILE`, and to nobody else: it
    gives the prompts' words away.
    """
    from dataclasses import replace

    from ridgeway.crypto.owner_name import check_domain_name

    name = check_domain_name(domain or output.name.partition(".")[0])
    assignment = _assignment(data_dir, manifest)
    if embedder:
        located = str(Path(embedder).expanduser().absolute()) if Path(embedder).expanduser().is_dir() else embedder
        assignment = replace(assignment, embedder=located)
    tls = (dask_tls_ca, dask_tls_cert, dask_tls_key)
    counted = _counted(name, [_source(path, field, skip_bad) for path in paths], assignment, engine, tls, as_json)
    counted.sums.write(output)
    _report(output, counted, as_json)


def _assignment(data_dir: Path | None, manifest: Path | None) -> "Assignment":
    from ridgeway.node.assignment import Assignment

    # A variable may name the node of this machine; a manifest on the command line says another.
    if manifest is not None:
        return Assignment.read(manifest)
    if data_dir is None:
        raise click.UsageError("say what to compute: --data-dir of a node, or --manifest FILE from `ridgeway manifest`")
    return Assignment.of_node(data_dir)


def _source(path: str, field: str | None, skip_bad: bool) -> "PromptSource":
    from ridgeway.node.prompts import PromptSource
    from ridgeway.node.prompts.source import STANDARD_INPUT, is_url

    named = path == STANDARD_INPUT or is_url(path)
    return PromptSource(path if named else str(Path(path).expanduser().absolute()), field, skip_bad)


def _counted(
    domain: str,
    sources: "list[PromptSource]",
    assignment: "Assignment",
    engine: str | None,
    tls: tuple[Path | None, Path | None, Path | None],
    quiet: bool,
) -> "Counted":
    from ridgeway.cli.progress import shown
    from ridgeway.embedders import load_embedder
    from ridgeway.engines.cluster import count_on_cluster
    from ridgeway.engines.local import count_here
    from ridgeway.features import Features
    from ridgeway.node.prompts import ReadReport
    from ridgeway.node.prompts.source import STANDARD_INPUT
    from ridgeway.privacy.agreement import agreed_embedder
    from ridgeway.proto.messages import Progress

    if engine is not None and STANDARD_INPUT in {source.location for source in sources}:
        raise click.UsageError("a cluster cannot read this command's standard input; name files or URLs")
    certificates = _cluster_tls(tls, engine)
    with shown(quiet=quiet) as tell:

        def told(report: ReadReport) -> None:
            detail = f"{report.prompts:,} prompts" if report.prompts else "on the cluster"
            tell(Progress("count", domain, report.bytes_done, report.bytes_total or 0, detail))

        tell(Progress("embedder", domain))
        loaded = load_embedder(assignment.embedder)
        own = Features.of(assignment.manifest)
        Features(loaded.fingerprint, own.feature_map, own.pooled, own.whitened_by).check_same(own)
        if engine is not None:
            return count_on_cluster(engine, certificates, domain, sources, assignment, loaded, told)
        return count_here(domain, sources, assignment, agreed_embedder(loaded, assignment.manifest), told)


def _cluster_tls(tls: tuple[Path | None, Path | None, Path | None], engine: str | None) -> "ClusterTls | None":
    from ridgeway.engines.cluster_address import ClusterTls

    ca, certificate, key = tls
    if ca is None and certificate is None and key is None:
        return None
    if ca is None or certificate is None or key is None or engine is None:
        raise click.UsageError("--dask-tls-ca, --dask-tls-cert and --dask-tls-key go together, and with --engine")
    return ClusterTls(ca, certificate, key)


def _report(output: Path, counted: "Counted", as_json: bool) -> None:
    sums, report = counted.sums, counted.report
    skips = [f"{skip.location}:{skip.line}: {skip.problem}" for skip in report.first_skips]
    if as_json:
        emit(
            {
                "output": str(output),
                "domain": sums.domain,
                "features": sums.features.describe(),
                "files": report.files,
                "prompts": sums.prompts,
                "rows": sums.sums.rows,
                "held_out": len(sums.hold_out),
                "blank": sums.blank,
                "skipped": sums.skipped,
                "first_skips": skips,
                "sha256": hashlib.sha256(output.read_bytes()).digest(),
            }
        )
        return
    for skip in skips:
        click.echo(f"skipped {skip}", err=True)
    click.echo(
        f"wrote {output}: {sums.domain}, {sums.prompts:,} prompts, {sums.sums.rows:,} rows, {len(sums.hold_out):,} held"
        f" out, {sums.skipped:,} skipped; bring it to your node and run `ridgeway join --statistics {output.name}`"
    )
