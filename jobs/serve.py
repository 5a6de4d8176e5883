"""Serve predictions over HTTP, each --conf one pipeline: jobs/serve.py --conf conf/wine.yaml --conf conf/macro.yaml

Predictions are those of the stream, with the same contract; http://127.0.0.1:8000/docs documents the API."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.config.loading import load_config
from penstock.interfaces.cli.options import run_job

FILE = click.Path(path_type=Path)


@click.command(help=__doc__)
@click.option("--conf", "conf", multiple=True, required=True, type=FILE, help="A pipeline's YAML file; one for each.")
@click.option("--overlay", "overlays", multiple=True, type=FILE, help="A YAML file over every pipeline's own.")
@click.option("--set", "overrides", multiple=True, metavar="KEY.SUB=VALUE", help="Override one key of every config.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="The port to listen on.")
def command(
    conf: tuple[Path, ...], overlays: tuple[Path, ...], overrides: tuple[str, ...], host: str, port: int
) -> None:
    configs = [load_config([path, *overlays], overrides=overrides) for path in conf]
    from penstock.interfaces.rest.server import (
        serve,  # imports MLflow and Spark, which --help and an invalid config do not need
    )

    serve(configs, host=host, port=port)


def main(argv: Sequence[str] | None = None) -> int:
    return run_job(command, argv)


if __name__ == "__main__":
    sys.exit(main())
