"""Train the wine model and register it: jobs/train_elasticnet.py --conf conf/wine.yaml --promote"""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.interfaces.cli.options import config_options, read_config, run_job
from penstock.models.training.elasticnet import train_elasticnet


@click.command(help=__doc__)
@config_options
@click.option("--data", type=click.Path(path_type=Path), default=Path("data/winequality-red.csv"), show_default=True)
@click.option("--alpha", type=click.FloatRange(min=0), default=0.02, show_default=True)
@click.option("--l1-ratio", type=click.FloatRange(0, 1), default=0.5, show_default=True)
@click.option("--first-rows", type=click.IntRange(min=20), help="Use only the first rows of the data.")
@click.option("--promote", is_flag=True, help="Give the new version the config's alias, not 'candidate'.")
def command(
    conf: tuple[Path, ...],
    overrides: tuple[str, ...],
    data: Path,
    alpha: float,
    l1_ratio: float,
    first_rows: int | None,
    promote: bool,
) -> None:
    result = train_elasticnet(
        read_config(conf, overrides),
        data=data,
        alpha=alpha,
        l1_ratio=l1_ratio,
        first_rows=first_rows,
        promote=promote,
    )
    click.echo(", ".join(f"{name} {value:.4f}" for name, value in result.metrics.items()))


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())
