"""The figures in results/*.json as a Markdown table: python benchmarks/show_results.py"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
#: What was measured, the figure, the ratio to the plain way, and the goal.
Row = tuple[str, str, str, str]


def rows() -> list[Row]:
    """The rows of all benchmarks with results."""
    found = []
    for name, make in MAKERS.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            found += make(json.loads(path.read_text()))
    return found


def kernel_rows(cases: list[dict[str, Any]]) -> list[Row]:
    def row(case: dict[str, Any]) -> Row:
        what = f"forecasts with intervals, k={case['k']}, p={case['p']}, h={case['horizon']}"
        speed = f"{case['forecasts_per_second'] / 1e6:.1f} million/s"
        return what, speed, f"{case['ratio']:.0f} x `forecast_interval`", ""

    return list(map(row, cases))


def fit_rows(cases: list[dict[str, Any]]) -> list[Row]:
    def row(case: dict[str, Any]) -> Row:
        microseconds = f"{case['microseconds_per_series']:.0f} us/series"
        if "ratio_to_complete" in case:
            return f"fit, {case['case']}", microseconds, f"{case['ratio_to_complete']:.2f} x without holes", "1.5"
        if "ratio_to_plain" in case:
            return f"fit, {case['case']}", microseconds, f"{case['ratio_to_plain']:.2f} x without", "1.5"
        return f"fit, {case['case']}", microseconds, f"{case['ratio']:.0f} x `VAR.fit`", ""

    return list(map(row, cases))


def fleet_rows(result: dict[str, Any]) -> list[Row]:
    load = f"{result['load_seconds_empty_cache']:.2f} s first, {result['load_seconds_filled_cache']:.2f} s then"
    return [
        (f"loading a model of {result['series']:,} series", load, "", ""),
        ("predict of that model", f"{result['predict_rows_per_second'] / 1e6:.2f} million windows/s", "", ""),
    ]


def stream_rows(result: dict[str, Any]) -> list[Row]:
    batch, plain = result["batch_seconds"]["median"], result["plain_append_seconds"]["median"]
    size = f"{result['series']:,} series x 2 observations, {result['forecast_rows_per_batch']:,} forecast rows"
    python = f"{result['ratio_to_python_way']:.0f} x statsmodels in applyInPandasWithState"
    ratio = f"{batch / plain:.1f} x a plain append of those rows ({plain:.1f} s)"
    return [
        (f"micro-batch, {size}", f"{batch:.1f} s", ratio, "2"),
        ("forecast rows of that batch", f"{result['forecast_rows_per_second']:,.0f}/s", python, "20"),
    ]


def revision_rows(result: dict[str, Any]) -> list[Row]:
    revised, plain = (result[name]["median"] for name in ("batch_with_revisions_seconds", "batch_seconds"))
    what = f"micro-batch, {result['rows_per_batch']:,} observations and {result['revised_rows_per_batch']:,} revisions"
    return [(what, f"{revised:.1f} s", f"{revised / plain:.2f} x without revisions ({plain:.1f} s)", "1.3")]


def lags_rows(result: dict[str, Any]) -> list[Row]:
    large, alone = (result[name]["median"] for name in ("touched_of_large_seconds", "touched_alone_seconds"))
    touched, n_large = result["series_touched"], result["series_in_large_table"]
    speed = f"{result['observations_per_second']:,.0f}/s"
    return [
        (f"windows and state, {result['observations']:,} rows", speed, "", "150,000/s"),
        (f"the same, {touched:,} of {n_large:,} series", f"{large:.1f} s", f"{large / alone:.1f} x those alone", "3"),
    ]


def wine_rows(result: dict[str, Any]) -> list[Row]:
    seconds, ratio, rows = result["median_seconds"], result["ratio"], f"{result['rows']:,} rows"

    def row(kind: str, key: str, against: str, way: str, goal: str) -> Row:
        text = f"{ratio[key]:.2f} x {way} ({seconds[against]:.1f} s)"
        return f"{rows} of {kind}", f"{seconds[f'ours {kind.lower()}']:.1f} s", text, goal

    return [
        row("Parquet", "parquet_to_bare", "bare parquet", "a bare spark_udf, nothing checked", "1.15"),
        row("Parquet", "parquet_to_copy", "copy parquet", "a copy without a model", "2.0"),
        row("CSV", "csv_to_bare", "bare csv", "typed CSV and a bare spark_udf", "1.3"),
        row("CSV", "csv_to_tutorial", "tutorial csv", "readStream, spark_udf(struct), writeStream", "1"),
    ]


def small_batch_rows(result: dict[str, Any]) -> list[Row]:
    seconds = result["median_seconds"]
    plain = (seconds["plain_before"] + seconds["plain_after"]) / 2
    text = f"{result['ratio']:.1f} x a plain stream that copies ({plain:.1f} s)"
    return [(f"micro-batch of a file of {result['rows_per_file']} rows", f"{seconds['ours']:.1f} s", text, "2.5")]


def cold_start_rows(result: dict[str, Any]) -> list[Row]:
    seconds, cpu = result["median_seconds"], result["median_cpu_seconds"]

    def row(name: str, goal: str) -> Row:
        text = (
            f"{result['ratio'][name]:.2f} x a bare session that writes a row ({seconds['bare']:.1f} s); processor "
            f"{cpu[name]:.0f} s and {cpu['bare']:.0f} s"
        )
        return (f"start of the process to its first committed batch, {name}", f"{seconds[name]:.1f} s", text, goal)

    return [row("rows", "1.0"), row("series", "1.4")]


def hot_swap_rows(result: dict[str, Any]) -> list[Row]:
    more = result["more_seconds"]
    text = f"{more['median']:.1f} s more than the batch before, {more['maximum']:.1f} s at most"
    return [(f"first batch of {result['rows']:,} rows after the alias moved", "", text, "1 s")]


def many_files_rows(result: dict[str, Any]) -> list[Row]:
    seconds = result["median_seconds"]
    text = f"{result['share']:.0%} of the batch ({seconds['batch']:.1f} s)"
    return [(f"admission of {result['files_a_batch']} files", f"{seconds['plan']:.2f} s", text, "20%")]


def wide_rows(result: dict[str, Any]) -> list[Row]:
    def row(columns: str, case: dict[str, Any]) -> Row:
        seconds, ratio = case["seconds"], case["cell_ratio"]
        text = f"{ratio['20']:.2f} and {ratio['2000']:.2f} x 100 columns for each cell"
        return (
            f"first 20, next 2,000 rows of {columns} columns",
            f"{seconds['20']:.1f}, {seconds['2000']:.1f} s",
            text,
            "2",
        )

    return [row(columns, case) for columns, case in result["columns"].items()]


def scale_rows(result: dict[str, Any]) -> list[Row]:
    def row(case: dict[str, Any]) -> Row:
        peaks = ", ".join(f"{kind} {size / 1e6:,.0f} MB" for kind, size in case["peak_bytes"].items())
        return f"backfill of {case['rows']:,} rows", f"{case['microseconds_per_row']:.1f} us/row", peaks, "flat"

    cores = f"{result['speed_up_of_two_processors']:.2f} x all on one processor"
    cores += f", {result['speed_up_of_two_cores']:.2f} x local[1] with the second processor left to Python"
    return [*map(row, result["by_rows"]), (f"{result['one_core']['rows']:,} rows on local[2]", "", cores, "1.7")]


def history_rows(result: dict[str, Any]) -> list[Row]:
    seconds = result["median_seconds"]
    text = f"{result['ratio']:.2f} x after 10 ({seconds['after_10']:.1f} s)"
    return [(f"micro-batch after {result['batches']} batches", f"{seconds['at_the_end']:.1f} s", text, "1.2")]


def serving_rows(result: dict[str, Any]) -> list[Row]:
    def row(load: dict[str, Any]) -> Row:
        what = f"REST, {load['connections']} connections, rows a request: {load['rows_per_request']}"
        ours = load["penstock"]
        figure = f"p50 {ours['p50_milliseconds']:.1f} ms, {ours['requests_per_second']:.0f} requests/s"
        ratio = f"p50 {load['p50_ratio']:.2f} x, requests/s {load['throughput_ratio']:.2f} x `mlflow models serve`"
        return what, figure, ratio, "1.0, 2.0" if load["connections"] > 1 else "1.0"

    return list(map(row, result["results"]))


MAKERS: dict[str, Callable[[Any], list[Row]]] = {
    "rows": wine_rows,
    "small_batches": small_batch_rows,
    "cold_start": cold_start_rows,
    "hot_swap": hot_swap_rows,
    "many_files": many_files_rows,
    "wide": wide_rows,
    "scale": scale_rows,
    "history": history_rows,
    "var_kernel": kernel_rows,
    "var_fit": fit_rows,
    "fleet_model": fleet_rows,
    "series_stream": stream_rows,
    "revisions": revision_rows,
    "lags": lags_rows,
    "serving": serving_rows,
}


def main() -> None:
    """Print the table."""
    print("| what | here | against the plain way | goal |\n|---|---|---|---|")
    for row in rows():
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
