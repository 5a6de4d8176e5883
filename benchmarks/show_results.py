"""The figures in results/*.json as a Markdown table: python benchmarks/show_results.py"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def rows() -> list[tuple[str, str, str]]:
    """What was measured, the figure, and the ratio to the plain way."""
    kernel, fit, fleet, stream, lags = (
        json.loads((RESULTS / f"{name}.json").read_text())
        for name in ("var_kernel", "var_fit", "fleet_model", "series_stream", "lags")
    )
    return [*map(kernel_row, kernel), *map(fit_row, fit), *fleet_rows(fleet), *stream_rows(stream), *lags_rows(lags)]


def kernel_row(case: dict[str, Any]) -> tuple[str, str, str]:
    what = f"forecasts with intervals, k={case['k']}, p={case['p']}, h={case['horizon']}"
    return what, f"{case['forecasts_per_second'] / 1e6:.1f} million/s", f"{case['ratio']:.0f} x `forecast_interval`"


def fit_row(case: dict[str, Any]) -> tuple[str, str, str]:
    return (
        f"fit, {case['case']}",
        f"{case['microseconds_per_series']:.0f} us/series",
        f"{case['ratio']:.0f} x `VAR.fit`",
    )


def fleet_rows(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    load = f"{result['load_seconds_empty_cache']:.2f} s first, {result['load_seconds_filled_cache']:.2f} s then"
    return [
        (f"loading a model of {result['series']:,} series", load, ""),
        ("predict of that model", f"{result['predict_rows_per_second'] / 1e6:.2f} million windows/s", ""),
    ]


def stream_rows(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    batch, plain = result["batch_seconds"]["median"], result["plain_append_seconds"]["median"]
    size = f"{result['series']:,} series x 2 observations, {result['forecast_rows_per_batch']:,} forecast rows"
    python = f"{result['ratio_to_python_way']:.0f} x statsmodels in applyInPandasWithState"
    return [
        (
            f"micro-batch, {size}",
            f"{batch:.1f} s",
            f"{batch / plain:.1f} x a plain append of those rows ({plain:.1f} s)",
        ),
        ("forecast rows of that batch", f"{result['forecast_rows_per_second']:,.0f}/s", python),
    ]


def lags_rows(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    large, alone = (result[name]["median"] for name in ("touched_of_large_seconds", "touched_alone_seconds"))
    touched, n_large = result["series_touched"], result["series_in_large_table"]
    return [
        (f"windows and state, {result['observations']:,} rows", f"{result['observations_per_second']:,.0f}/s", ""),
        (f"the same, {touched:,} of {n_large:,} series", f"{large:.1f} s", f"{large / alone:.1f} x those alone"),
    ]


def main() -> None:
    """Print the table."""
    print("| what | here | against the plain way |\n|---|---|---|")
    for row in rows():
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
