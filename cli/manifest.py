"""`ridgeway manifest`: what another machine of the owner's needs to compute statistics."""

from pathlib import Path

import click

from ridgeway.cli.command import Command, data_dir_option, emit, json_option


@click.command(cls=Command)
@data_dir_option
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write."
)
@json_option
def manifest(data_dir: Path, output: Path, as_json: bool) -> None:
    """Write what a machine without a network needs to compute statistics for this node.

    The file has the federation's manifest and this node's secret for choosing the prompts to hold out. Carry it over
    yourself, and show it to nobody; `ridgeway statistics --manifest FILE` reads it.
    """
    from ridgeway.features import Features
    from ridgeway.node.assignment import Assignment

    assignment = Assignment.of_node(data_dir)
    assignment.write(output)
    features = Features.of(assignment.manifest).describe()
    if as_json:
        emit(
            {
                "output": str(output),
                "federation_id": assignment.manifest.federation_id,
                "manifest_sha256": assignment.manifest.digest(),
                "features": features,
            }
        )
    else:
        click.echo(f"wrote {output}: {features}")
