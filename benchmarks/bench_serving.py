"""The REST service under load: wrk against the real process, with 1 and with 100 rows per request; writes JSON.

Needs wrk on the PATH (Debian's package wrk). wrk and the service share the machine's cores.

Usage: python benchmarks/bench_serving.py [--seconds 20] [--connections 8] [--port 8123] [--out FILE]
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import yaml
from rows_setup import register_wine_model, rows_config, run_benchmark, wines

PROJECT = Path(__file__).parents[1]
THREADS = 2
WARM_UP_SECONDS = 10
START_SECONDS = 120.0
ROWS_PER_REQUEST = (1, 100)
#: wrk's own summary is not machine-readable and has no errors by kind.
SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[{body}]==]
done = function(summary, latency, requests)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "seconds": %f, "p50_milliseconds": %f, "p99_milliseconds": %f, "errors": %d, "not_2xx": %d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
"""


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """The service with the wine model, ready."""
    config = rows_config(folder)
    register_wine_model(config)
    conf = folder / "bench.yaml"
    conf.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_none=True)))
    command = [sys.executable, "jobs/serve.py", "--conf", str(conf), "--port", str(port)]
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=log, env=os.environ)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return process
        except OSError:
            time.sleep(0.2)
    process.kill()
    sys.exit(f"the service did not become ready:\n{(folder / 'service.log').read_text()}")


def load(folder: Path, *, port: int, rows: int, connections: int, seconds: int) -> dict[str, float]:
    script = folder / f"rows-{rows}.lua"
    body = json.dumps({"rows": wines(rows).to_dict(orient="records")})
    script.write_text(SCRIPT.replace("{body}", body))
    url = f"http://127.0.0.1:{port}/models/wine-quality/predict"
    command = [
        "wrk",
        f"-t{min(THREADS, connections)}",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        "-s",
        str(script),
        url,
    ]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"^\{.*\}$", printed, re.MULTILINE)
    if not found:
        sys.exit(f"wrk printed no summary:\n{printed}")
    summary: dict[str, float] = json.loads(found[0])
    return summary | {
        "rows_per_request": rows,
        "connections": connections,
        "requests_per_second": summary["requests"] / summary["seconds"],
        "rows_per_second": (summary["requests"] - summary["not_2xx"]) * rows / summary["seconds"],
    }


def measure(folder: Path, *, seconds: int, connections: int, port: int) -> dict[str, object]:
    if not shutil.which("wrk"):
        sys.exit("wrk is not on the PATH; on Debian: apt-get install wrk")
    process = start(folder, port)
    try:
        results = []
        for rows in ROWS_PER_REQUEST:
            for number in sorted({1, connections}):
                load(folder, port=port, rows=rows, connections=number, seconds=min(WARM_UP_SECONDS, seconds))
                results.append(load(folder, port=port, rows=rows, connections=number, seconds=seconds))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    return {"cores": os.cpu_count(), "wrk_threads": THREADS, "results": results}


if __name__ == "__main__":
    run_benchmark("serving", measure, description=__doc__, seconds=20, connections=8, port=8123)
